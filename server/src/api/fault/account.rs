//! Another account, behind tokens that should not open it.

use std::{collections::HashSet, sync::Arc};

use axum::extract::Request;
use tempfile::TempDir;
use tokio::sync::{OnceCell, mpsc};

use super::{
    super::{
        Service,
        auth::Drive,
        reply::{ApiError, Result},
    },
    hooks::Moment,
};
use crate::{
    data_dir::DataDir,
    durability::Durability,
    fault::{Effect, Remembered},
};

/// An empty account, and the tokens that open it in place of their own. Its data are in a
/// folder for temporary files, and gone with it.
#[derive(Clone, Default)]
pub(crate) struct OtherAccount(Arc<Inner>);

#[derive(Default)]
struct Inner {
    tokens: Remembered<HashSet<[u8; 32]>>,
    drive: OnceCell<(Service, TempDir)>,
}

impl OtherAccount {
    pub(super) fn take_over(&self, token: [u8; 32]) {
        self.0.tokens.lock().insert(token);
    }

    /// Its drive, made at the first call. `own`: that of the account it takes the place of.
    async fn drive(&self, own: &Service) -> Result<Service> {
        let open = || async {
            let dir = tokio::task::spawn_blocking(|| {
                tempfile::Builder::new()
                    .prefix("acd-other-account-")
                    .tempdir()
            });
            let dir = dir
                .await
                .unwrap_or_else(|panic| Err(panic.into()))
                .map_err(|error| ApiError::internal(&error))?;
            let opened = DataDir::open(dir.path(), own.clock.now(), Durability::Relaxed)
                .await
                .map_err(|error| ApiError::internal(&error))?;
            let (garbage, collected) = mpsc::unbounded_channel();
            let collector = opened
                .objects
                .clone()
                .collect_garbage(opened.store.clone(), collected);
            // Ends with the last that could produce garbage.
            tokio::spawn(collector);
            let service = Service {
                store: opened.store,
                objects: opened.objects,
                garbage,
                ..own.clone()
            };
            Ok::<_, ApiError>((service, dir))
        };
        let (service, _) = self.0.drive.get_or_try_init(open).await?;
        Ok(service.clone())
    }
}

/// Makes the call one about the other account if its token was given out so.
pub(super) async fn swap(moment: &Moment, request: &mut Request) -> Result<()> {
    let Some(token) = moment.presented else {
        return Ok(());
    };
    for rule in &moment.rules {
        if let Effect::SwapAccount(other) = &rule.effect
            && other.0.tokens.lock().contains(&token)
            && let Some(Drive(own)) = request.extensions().get::<Drive>().cloned()
        {
            let drive = other.drive(&own).await?;
            request.extensions_mut().insert(Drive(drive));
        }
    }
    Ok(())
}
