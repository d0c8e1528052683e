//! What a drive does by itself: what has been in the trash for long is purged, as the
//! service did from 2016 on.

use std::time::Duration;

use tokio::{sync::mpsc, time::sleep};

use crate::{
    clock::Clock,
    store::{PurgeTrash, Store},
};

/// Purges old trash, now and again every hour, until the store is closed or this is dropped.
pub(crate) async fn purge_trash(
    store: Store,
    clock: Clock,
    garbage: mpsc::UnboundedSender<String>,
    retention: Duration,
) {
    let retention = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
    loop {
        let mut purged = 0_u64;
        let outcome = loop {
            let now = clock.now();
            let purge = PurgeTrash {
                before: now.saturating_sub(retention),
                now,
                garbage: garbage.clone(),
                objects: Vec::new(),
            };
            match store.write(purge).await {
                Ok(true) => purged += 1,
                outcome => break outcome,
            }
        };
        if purged > 0 {
            tracing::info!(target: "amazon_drive_server", purged, "purged nodes that were in the trash for long");
        }
        if let Err(error) = outcome {
            tracing::warn!(target: "amazon_drive_server", %error, "old trash was not purged");
        }
        sleep(ROUND).await;
    }
}

/// How long a node may be in the trash, if nothing else is said: the service's own 30 days.
pub(crate) const RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);

const ROUND: Duration = Duration::from_secs(60 * 60);
