//! The component as bytes: made from a core module, stripped, and read again.

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use wasm_encoder::{
    ComponentSection as _, ComponentSectionId, CustomSection, RawSection, Section as _,
};
use wasmparser::{Encoding, Parser, Payload, Validator, WasmFeatures};
use wit_component::ComponentEncoder;

/// What a component was made with, kept inside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildRecord {
    /// The compiler's version line, as `rustc --version` prints it.
    pub compiler: String,
    /// The linker's name and version. It need not come with the compiler, and it too
    /// decides about bytes.
    pub linker: String,
    /// What [`sources_digest`](crate::sources_digest) said of the sources.
    pub sources: String,
}

impl BuildRecord {
    /// Whether `other` was made with the same tools, so that equal sources must give
    /// equal bytes.
    pub fn same_tools(&self, other: &Self) -> bool {
        self.compiler == other.compiler && self.linker == other.linker
    }
}

/// Makes a component of a core `module` that carries its own WIT (as wit-bindgen writes
/// it), without names and other custom sections, and with `record` inside.
///
/// # Errors
///
/// When the module has no usable WIT, or the result is not a valid component.
pub fn encode(module: &[u8], record: &BuildRecord) -> Result<Vec<u8>> {
    let component = ComponentEncoder::default()
        .module(module)
        .context("the module's WIT cannot be read")?
        .encode()
        .context("the module cannot be made a component")?;
    let mut component = strip(&component)?;
    let record = serde_json::to_vec(record)?;
    CustomSection {
        name: RECORD_SECTION.into(),
        data: record.into(),
    }
    .append_to_component(&mut component);
    // After the last change of bytes, so that what is validated is what is written.
    Validator::new_with_features(WasmFeatures::all())
        .validate_all(&component)
        .context("the component does not validate")?;
    Ok(component)
}

/// What the component was made with, or none when it does not say (or is no component).
pub fn build_record(component: &[u8]) -> Option<BuildRecord> {
    let mut depth = 0usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload.ok()? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if depth == 0 && section.name() == RECORD_SECTION => {
                return serde_json::from_slice(section.data()).ok();
            }
            _ => {}
        }
    }
    None
}

/// The names of everything the component imports, sorted, versions included:
/// `wasi:http/types@0.3.0`.
///
/// # Errors
///
/// When the bytes are not a component.
pub fn imports(component: &[u8]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut depth = 0usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::Version { encoding, .. } if depth == 0 && encoding != Encoding::Component => {
                bail!("this is a core module, not a component");
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    names.push(import?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// The same component without any custom section, in itself and in the modules and
/// components inside it.
fn strip(component: &[u8]) -> Result<Vec<u8>> {
    let mut output = Vec::with_capacity(component.len());
    let mut outer = Vec::new();
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload?;
        match &payload {
            Payload::Version { encoding, .. } => output.extend_from_slice(match encoding {
                Encoding::Component => &wasm_encoder::Component::HEADER,
                Encoding::Module => &wasm_encoder::Module::HEADER,
            }),
            // What is inside follows as payloads of its own; its length is only known
            // at its end.
            Payload::ModuleSection { .. } => {
                outer.push((ComponentSectionId::CoreModule, std::mem::take(&mut output)));
            }
            Payload::ComponentSection { .. } => {
                outer.push((ComponentSectionId::Component, std::mem::take(&mut output)));
            }
            Payload::End(_) => {
                if let Some((id, parent)) = outer.pop() {
                    let inner = std::mem::replace(&mut output, parent);
                    RawSection {
                        id: id as u8,
                        data: &inner,
                    }
                    .append_to(&mut output);
                }
            }
            Payload::CustomSection(_) => {}
            other => {
                if let Some((id, range)) = other.as_section() {
                    let range = usize::try_from(range.start)?..usize::try_from(range.end)?;
                    let data = &component[range];
                    RawSection { id, data }.append_to(&mut output);
                }
            }
        }
    }
    Ok(output)
}

/// The name of the custom section that holds the [`BuildRecord`] as JSON.
const RECORD_SECTION: &str = "amazon-drive-build";
