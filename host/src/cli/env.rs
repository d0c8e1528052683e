//! The environment variables this program reads, beside the proxies' own.

/// The config file: a path.
pub(super) const CONFIG: &str = "ACD_CONFIG";

/// Where `embedded:` keeps its data: a path.
pub(super) const EMBEDDED_DIR: &str = "ACD_EMBEDDED_DIR";
