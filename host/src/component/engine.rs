//! Components as code: loading, compiling, and what they are linked with.

use std::{path::Path, sync::Arc, thread, time::Duration};

use wasmtime::{
    Engine,
    component::{Component as Code, Linker},
};

use super::{Error, bindings::BackendPre, state::State};

/// A backend component, ready to run. Cheap to clone.
#[derive(Clone)]
pub struct Component {
    pub(super) pre: Arc<BackendPre<State>>,
}

impl Component {
    /// The component this program was built with. Compiled when the program was, so this
    /// takes about a millisecond.
    ///
    /// # Errors
    /// `BadComponent` when this machine's processor lacks what it was compiled for.
    pub fn built_in() -> Result<Self, Error> {
        let engine = engine()?;
        #[expect(
            unsafe_code,
            reason = "the bytes are machine code, made by this package's build script and \
                      compiled into this program, so they are as trustworthy as it is"
        )]
        // SAFETY: see above.
        let code = unsafe { Code::deserialize(&engine, BUILT_IN) };
        Self::link(&engine, code, "the built-in component")
    }

    /// Compiles a component (`.wasm`, binary or text). Takes about a quarter of a second.
    ///
    /// # Errors
    /// `BadComponent` when the bytes are no component, or one that asks for more than the
    /// world `backend` has, or lacks what that exports.
    #[cfg(feature = "compile")]
    pub fn compile(bytes: &[u8]) -> Result<Self, Error> {
        let engine = engine()?;
        let code = Code::new(&engine, bytes);
        Self::link(&engine, code, "the component")
    }

    /// Compiles the component in a file. Without the feature `compile` there is nothing
    /// to compile it with, and a file that could be one is refused with a text that says so.
    ///
    /// # Errors
    /// `BadComponent`, also when the file cannot be read.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let name = crate::files::shown(path).to_string();
        let bytes = std::fs::read(path)
            .map_err(|error| Error::BadComponent(format!("cannot read {name}: {error}")))?;
        if bytes.get(..8) != Some(COMPONENT_HEADER) {
            return Err(Error::BadComponent(format!(
                "{name} is not a WebAssembly component"
            )));
        }
        Self::from_file(&name, &bytes)
    }

    #[cfg(feature = "compile")]
    fn from_file(name: &str, bytes: &[u8]) -> Result<Self, Error> {
        let engine = engine()?;
        Self::link(&engine, Code::from_binary(&engine, bytes), name)
    }

    #[cfg(not(feature = "compile"))]
    fn from_file(name: &str, _: &[u8]) -> Result<Self, Error> {
        Err(Error::BadComponent(format!(
            "cannot run {name}: this program was built without a compiler \
             (cargo feature `compile`)"
        )))
    }

    fn link(engine: &Engine, code: wasmtime::Result<Code>, name: &str) -> Result<Self, Error> {
        let bad = |error: wasmtime::Error| {
            // One clause: the outermost says where, the innermost says what.
            Error::BadComponent(format!("{name} cannot be run: {}", error.root_cause()))
        };
        let code = code.map_err(bad)?;
        let mut linker = Linker::new(engine);
        State::link(&mut linker).map_err(bad)?;
        let pre = linker
            .instantiate_pre(&code)
            .and_then(BackendPre::new)
            .map_err(bad)?;
        Ok(Self { pre: Arc::new(pre) })
    }
}

/// A new engine, and the thread that advances its clock for as long as it is used.
fn engine() -> Result<Engine, Error> {
    let failed = |error: &dyn std::fmt::Display| {
        Error::BadComponent(format!("the WebAssembly engine does not start: {error}"))
    };
    let engine = Engine::new(&engine_config()).map_err(|error| failed(&error))?;
    let clock = engine.weak();
    thread::Builder::new()
        .name("acd-epoch".to_owned())
        .spawn(move || {
            while let Some(engine) = clock.upgrade() {
                engine.increment_epoch();
                drop(engine);
                thread::sleep(EPOCH);
            }
        })
        .map_err(|error| failed(&error))?;
    Ok(engine)
}

include!("../../engine_config.rs");

/// SHA-256 of the component this program was built with, as 64 hexadecimal digits.
pub const BUILT_IN_SHA256: &str = env!("ACD_COMPONENT_SHA256");

static BUILT_IN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/backend.cwasm"));

/// What a binary component starts with: magic, version, and the layer that tells it from
/// a core module.
const COMPONENT_HEADER: &[u8] = b"\0asm\x0d\0\x01\0";

/// How often running components are looked at. Limits of seconds need no finer clock, and
/// ten wake-ups a second are nothing.
pub(super) const EPOCH: Duration = Duration::from_millis(100);
