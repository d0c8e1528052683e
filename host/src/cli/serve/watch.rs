//! What is told of a server that runs: where the lines of requests go, and who may read the
//! metrics.

use std::{fs, path::Path};

use amazon_drive_server::Options;

use crate::{
    cli::{args::ServeWatch, exit::Exit, failure::Failure, log::Console, requests::Requests},
    files::shown,
};

/// Where the lines of requests go.
pub(in crate::cli) fn requests(watch: &ServeWatch, console: &Console) -> Result<Requests, Failure> {
    match &watch.log_file {
        Some(path) => Requests::to_file(path, console.format()),
        None => Ok(Requests::to_console(console.clone())),
    }
}

/// Adds who may read the metrics.
pub(super) fn add(options: Options, watch: &ServeWatch) -> Result<Options, Failure> {
    match &watch.metrics_token_file {
        Some(path) => Ok(options.with_metrics_token(&metrics_token(path)?)),
        None => Ok(options),
    }
}

/// The token in the file, which holds nothing else.
fn metrics_token(path: &Path) -> Result<String, Failure> {
    let failed = || {
        let what = format!("{} holds no token", shown(path));
        Failure::new("metrics-token", Exit::Usage, what)
    };
    let text = fs::read_to_string(path).map_err(|error| failed().because(error))?;
    let token = text.trim();
    match !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(token.to_owned()),
        false => Err(failed().hint("put one line of letters and digits into it")),
    }
}
