//! What the store of one instance holds, and the imports of ours.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use wasmtime::{
    ResourceLimiter, Store, StoreLimits, StoreLimitsBuilder, UpdateDeadline,
    component::{Accessor, HasData, HasSelf, Linker, ResourceTable},
};
use wasmtime_wasi::{
    clocks::{WasiClocksCtx, WasiClocksCtxView, WasiClocksView},
    p3::bindings::random,
    random::{WasiRandom, WasiRandomCtx},
};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::{
    AccessToken, Limits, TokenError,
    bindings::{credentials, log},
    engine::EPOCH,
    http::{Egress, Hooks},
};

/// Data of one instance's store.
pub(super) struct State {
    table: ResourceTable,
    clocks: WasiClocksCtx,
    random: WasiRandomCtx,
    http: WasiHttpCtx,
    hooks: Hooks,
    egress: Arc<Egress>,
    limits: StoreLimits,
    /// Tokens the component reported as refused, not told to their source yet.
    refused: Vec<AccessToken>,
}

impl State {
    /// Everything the world `backend` imports, and nothing else.
    pub(super) fn link(linker: &mut Linker<Self>) -> wasmtime::Result<()> {
        wasmtime_wasi::p3::clocks::add_to_linker(linker)?;
        random::random::add_to_linker::<_, WasiRandom>(linker, |state| &mut state.random)?;
        wasmtime_wasi_http::p3::add_to_linker(linker)?;
        credentials::add_to_linker::<_, Ours>(linker, |state| state)?;
        log::add_to_linker::<_, HasSelf<Self>>(linker, |state| state)
    }

    /// A store for a new instance, and the count of clock ticks it was found computing:
    /// setting it to 0 says that it has paused.
    pub(super) fn store(
        engine: &wasmtime::Engine,
        egress: &Arc<Egress>,
        limits: &Limits,
    ) -> (Store<Self>, Arc<AtomicU32>) {
        let state = Self {
            table: ResourceTable::new(),
            clocks: WasiClocksCtx::default(),
            random: WasiRandomCtx::default(),
            http: WasiHttpCtx::new(),
            hooks: Hooks::new(Arc::clone(egress)),
            egress: Arc::clone(egress),
            limits: StoreLimitsBuilder::new().memory_size(limits.memory).build(),
            refused: Vec::new(),
        };
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.limits as &mut dyn ResourceLimiter);
        let busy = Arc::new(AtomicU32::new(0));
        let ticks = Arc::clone(&busy);
        let most = u32::try_from(limits.busy.as_millis() / EPOCH.as_millis()).unwrap_or(u32::MAX);
        store.epoch_deadline_callback(move |_| {
            if ticks.fetch_add(1, Ordering::Relaxed) >= most {
                Ok(UpdateDeadline::Interrupt)
            } else {
                Ok(UpdateDeadline::Continue(1))
            }
        });
        store.set_epoch_deadline(1);
        (store, busy)
    }
}

impl WasiClocksView for State {
    fn clocks(&mut self) -> WasiClocksCtxView<'_> {
        WasiClocksCtxView {
            ctx: &mut self.clocks,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.hooks,
        }
    }
}

/// Marks the imports that need the whole state across an await.
struct Ours;

impl HasData for Ours {
    type Data<'a> = &'a mut State;
}

impl credentials::HostWithStore<State> for Ours {
    async fn authorization(
        accessor: &Accessor<State, Self>,
        url: String,
    ) -> wasmtime::Result<Result<Option<String>, credentials::Error>> {
        let egress = accessor.with(|mut access| Arc::clone(&access.get().egress));
        let allowed = url
            .parse()
            .is_ok_and(|url| egress.may_carry_credentials(&url));
        let (true, Some(source)) = (allowed, &egress.credentials) else {
            return Ok(Ok(None));
        };
        // Reports come before questions, so that no refused token is the answer.
        for token in accessor.with(|mut access| std::mem::take(&mut access.get().refused)) {
            source.refused(&token).await;
        }
        Ok(match source.token().await {
            Ok(token) => Ok(Some(egress.placeholders().stand_in(&token))),
            Err(TokenError::LoginNeeded(text)) => Err(credentials::Error::LoginNeeded(text)),
            Err(TokenError::Unavailable(text)) => Err(credentials::Error::Unavailable(text)),
            Err(TokenError::Other(text)) => Err(credentials::Error::Other(text)),
        })
    }
}

impl credentials::Host for &mut State {
    fn forget(&mut self, authorization: String) -> wasmtime::Result<()> {
        let token = self.egress.placeholders().token(&authorization).cloned();
        self.refused.extend(token);
        Ok(())
    }
}

impl log::Host for State {
    fn log(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        let end = message.floor_char_boundary(LINE);
        let message = &message[..end];
        match level {
            log::Level::Error => tracing::error!(target: TARGET, "{message}"),
            log::Level::Warn => tracing::warn!(target: TARGET, "{message}"),
            log::Level::Info => tracing::info!(target: TARGET, "{message}"),
            log::Level::Debug => tracing::debug!(target: TARGET, "{message}"),
        }
        Ok(())
    }
}

/// Where the component's lines go, beside this program's own.
const TARGET: &str = "acd::backend";

/// Bytes kept of a line: names can be long, and a listing's page is no line.
const LINE: usize = 4096;
