//! The changes feed, line by line: JSON objects with a line break between them.

use std::sync::Arc;

use axum::{body::Body, extract::Request, response::Response};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, stream};
use http::header;
use serde_json::Value;

use super::{
    super::{reply::Result, request},
    hooks::Moment,
    nodes,
};
use crate::fault::{Effect, Rule};

/// Has the request ask for everything.
pub(super) async fn forget_checkpoint(request: &mut Request) -> Result<()> {
    let bytes = request::bytes(std::mem::take(request.body_mut())).await?;
    let forgotten = match serde_json::from_slice::<Value>(&bytes) {
        Ok(Value::Object(mut asked)) => {
            asked.remove("checkpoint");
            Bytes::from(Value::Object(asked).to_string())
        }
        // Refused by the call itself.
        _ => bytes,
    };
    request.headers_mut().remove(header::CONTENT_LENGTH);
    *request.body_mut() = Body::from(forgotten);
    Ok(())
}

/// Each change set twice; the end once.
pub(super) fn duplicate(response: Response) -> Response {
    edit(response, |line| match line.get("end") {
        Some(_) => vec![line],
        None => vec![line.clone(), line],
    })
}

pub(super) fn without_end(response: Response) -> Response {
    edit(response, |line| match line.get("end") {
        Some(_) => Vec::new(),
        None => vec![line],
    })
}

/// Puts the odd nodes of all rules into the first change set.
pub(super) fn add_odd_nodes(moment: &Arc<Moment>, response: Response) -> Response {
    let odd = |rule: &&Arc<Rule>| matches!(rule.effect, Effect::OddNode(_));
    let rules: Vec<_> = moment.rules.iter().filter(odd).cloned().collect();
    if rules.is_empty() || !response.status().is_success() {
        return response;
    }
    let moment = moment.clone();
    let mut first = true;
    edit(response, move |mut line| {
        if let Some(Value::Array(changed)) = line.get_mut("nodes")
            && !changed.is_empty()
            && std::mem::take(&mut first)
        {
            // In the folder of the first node that has one.
            let folder = changed
                .iter()
                .find_map(|node| node["parents"][0].as_str())
                .unwrap_or_default()
                .to_owned();
            for rule in &rules {
                if let Effect::OddNode(odd) = &rule.effect
                    && rule.applies(&moment.facts)
                {
                    let node = nodes::odd_node(odd, &folder, moment.faults.now());
                    nodes::remember(odd, &node);
                    changed.push(node);
                }
            }
        }
        vec![line]
    })
}

/// A reply whose lines are replaced by others. A line that is no JSON stays as it is.
fn edit(response: Response, edit: impl FnMut(Value) -> Vec<Value> + Send + 'static) -> Response {
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    let lines = Lines {
        body: body.into_data_stream().boxed(),
        waiting: BytesMut::new(),
        whole: false,
        first: true,
        edit,
    };
    let edited = stream::try_unfold(lines, |mut lines| async move {
        Ok::<_, axum::Error>(lines.next().await?.map(|bytes| (bytes, lines)))
    });
    Response::from_parts(parts, Body::from_stream(edited))
}

struct Lines<S, F> {
    body: S,
    waiting: BytesMut,
    /// All has come.
    whole: bool,
    /// Nothing was given out so far.
    first: bool,
    edit: F,
}

impl<S, F> Lines<S, F>
where
    S: Stream<Item = std::result::Result<Bytes, axum::Error>> + Unpin,
    F: FnMut(Value) -> Vec<Value>,
{
    /// What to give out next.
    async fn next(&mut self) -> std::result::Result<Option<Bytes>, axum::Error> {
        loop {
            let end = self.waiting.iter().position(|byte| *byte == b'\n');
            let line = match end {
                Some(end) => {
                    let line = self.waiting.split_to(end);
                    let _ = self.waiting.split_to(1);
                    line
                }
                None if self.whole && self.waiting.is_empty() => return Ok(None),
                None if self.whole => std::mem::take(&mut self.waiting),
                None => {
                    match self.body.next().await {
                        Some(bytes) => self.waiting.extend_from_slice(&bytes?),
                        None => self.whole = true,
                    }
                    continue;
                }
            };
            let lines = match serde_json::from_slice(&line) {
                Ok(value) => (self.edit)(value).iter().map(Value::to_string).collect(),
                Err(_) => vec![String::from_utf8_lossy(&line).into_owned()],
            };
            if lines.is_empty() {
                continue;
            }
            let text = lines.join("\n");
            // Between lines, and not behind the last.
            return Ok(Some(match std::mem::take(&mut self.first) {
                true => text.into(),
                false => format!("\n{text}").into(),
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reply that comes in these pieces.
    fn reply(pieces: &[&'static str]) -> Response {
        let pieces: Vec<_> = pieces
            .iter()
            .map(|piece| Ok::<_, axum::Error>(*piece))
            .collect();
        Response::new(Body::from_stream(stream::iter(pieces)))
    }

    async fn text(response: Response) -> String {
        let bytes = axum::body::to_bytes(response.into_body(), 10_000).await;
        String::from_utf8(bytes.unwrap().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn lines_are_found_across_pieces_and_kept_apart() {
        let pieces = [
            "{\"checkpoint\"",
            ":1}\n{\"checkpoint\":2}\n{\"e",
            "nd\":true}",
        ];
        let a = "{\"checkpoint\":1}";
        let b = "{\"checkpoint\":2}";
        let end = "{\"end\":true}";
        assert_eq!(text(without_end(reply(&pieces))).await, format!("{a}\n{b}"));
        assert_eq!(
            text(duplicate(reply(&pieces))).await,
            format!("{a}\n{a}\n{b}\n{b}\n{end}")
        );
    }

    #[tokio::test]
    async fn what_is_no_json_stays() {
        assert_eq!(text(duplicate(reply(&["x", "y\n{}"]))).await, "xy\n{}\n{}");
    }
}
