//! `GET /healthz`: whether the server can do its work, for whoever watches over it.

use std::time::Duration;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use tokio::time::timeout;

use super::Watched;

/// 200 `ok`, or 503 with a line for each thing that is wrong. Says nothing of what is
/// stored, nor where: anyone may ask.
pub(super) async fn show(State(watched): State<Watched>) -> Response {
    let service = watched.site.drives.first();
    let (metadata, content) = tokio::join!(
        answer("metadata database", service.store.check()),
        answer("data directory", service.objects.check()),
    );
    let problems: Vec<String> = metadata.err().into_iter().chain(content.err()).collect();
    let (status, text) = match problems.is_empty() {
        true => (StatusCode::OK, "ok\n".to_owned()),
        false => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{}\n", problems.join("\n")),
        ),
    };
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, text).into_response()
}

async fn answer(what: &str, check: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    let late = |_| Err(format!("no answer within {} s", LONGEST.as_secs()));
    let outcome = timeout(LONGEST, check).await.unwrap_or_else(late);
    outcome.map_err(|problem| format!("{what}: {problem}"))
}

/// Those who ask wait some ten seconds, usually. A disk that takes longer is broken.
const LONGEST: Duration = Duration::from_secs(5);
