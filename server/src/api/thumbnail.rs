//! `content?viewBox=N`: a file's picture, made small.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use tokio::task;

use super::{
    Service,
    auth::Caller,
    reply::{ApiError, Result},
};
use crate::{
    picture::{self, Unreadable},
    store::Refusal,
};

/// The picture of this file, fitted into the box.
pub(super) async fn read(
    service: &Service,
    caller: Option<&Caller>,
    id: &str,
    view_box: &str,
) -> Result<Response> {
    let (width, height) = parse(view_box)
        .ok_or_else(|| ApiError::bad_request(format!("Invalid viewBox: {view_box}")))?;
    let node = service.store.node(id).await?;
    let content = node.content.ok_or(Refusal::NotAFile { id: node.id })?;
    if let Some(caller) = caller {
        caller.check_read(&content)?;
    }
    let etag = format!("\"{}-{width}-{height}\"", content.md5);
    let file = service.objects.file(&content.object).await;
    let file = file.map_err(|error| ApiError::internal(&error))?;
    let turn = picture::AT_ONCE.acquire().await;
    let made = task::spawn_blocking(move || {
        let _turn = turn;
        picture::thumbnail(file, width, height)
    })
    .await;
    match made.map_err(|error| ApiError::internal(&error))? {
        Ok(picture) => {
            let headers = [
                (header::CONTENT_TYPE, picture.content_type.to_owned()),
                (header::ETAG, etag),
            ];
            Ok((StatusCode::OK, headers, Body::from(picture.bytes)).into_response())
        }
        Err(Unreadable) => Err(ApiError::bad_request(format!(
            "Content of type {} has no thumbnail",
            content.content_type
        ))),
    }
}

/// `N` for a square, or `W,H`.
fn parse(text: &str) -> Option<(u32, u32)> {
    let number = |text: &str| {
        let number = text.trim().parse().ok()?;
        (1..=LARGEST).contains(&number).then_some(number)
    };
    match text.split_once(',') {
        None => number(text).map(|side| (side, side)),
        Some((width, height)) => Some((number(width)?, number(height)?)),
    }
}

/// Dots of a side: nothing is enlarged, so more is not needed.
const LARGEST: u32 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn box_is_a_side_or_two() {
        assert_eq!(parse("200"), Some((200, 200)));
        assert_eq!(parse("200,100"), Some((200, 100)));
        for bad in ["", "0", "-1", "1e3", "99999", "1,2,3", "1,", "a,b"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
