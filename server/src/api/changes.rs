//! `POST changes`: what happened since a checkpoint, as lines of JSON.
//!
//! A reply is made page by page while it is sent, so its length costs no memory. Each line
//! has a checkpoint to go on from, should the reply break off.

use std::io;

use axum::{Extension, body::Body, response::Response};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Service,
    auth::{Caller, Drive},
    reply::{ApiError, Result},
    request,
    view::View,
    wire::WireNode,
};
use crate::store::Node;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Asked {
    checkpoint: Option<String>,
    chunk_size: Option<Value>,
    max_nodes: Option<Value>,
    include_purged: Option<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    checkpoint: String,
    reset: bool,
    nodes: Vec<WireNode<'a>>,
    status_code: u16,
}

pub(super) async fn changes(
    Drive(service): Drive,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response> {
    let body = request::bytes(body).await?;
    // Some clients send nothing at all for nothing to say.
    let asked: Asked = match body.trim_ascii().is_empty() {
        true => Asked::default(),
        false => request::parse(&body)?,
    };
    let chunk = number("chunkSize", asked.chunk_size.as_ref())?
        .map_or(CHUNK, |chunk| chunk.clamp(1, u64::from(CHUNK)) as u32);
    let most = number("maxNodes", asked.max_nodes.as_ref())?.unwrap_or(u64::MAX);
    let purged = flag("includePurged", asked.include_purged.as_ref())?;
    let (newest, history) = service.store.history().await?;
    let from = match asked.checkpoint.as_deref() {
        None | Some("") => From::Start,
        Some(text) => Checkpoint::decode(text)?.resume(newest, &history),
    };
    let (after, reset) = match from {
        From::Start => (0, true),
        From::Change(seq) => (seq, false),
    };
    let mut feed = Feed {
        // Clients saw properties here without asking for them.
        view: View::with_properties(caller),
        service,
        history,
        after,
        newest,
        chunk,
        left: most,
        reset,
        // A new reader has nothing that could be gone.
        purged: purged && !reset,
        stage: Stage::First,
    };
    // The first line before the reply begins: what goes wrong so far is told with a status.
    let first = feed.next().await?;
    let rest = stream::try_unfold(feed, |mut feed| async move {
        let line = feed.next().await?;
        Ok::<_, ApiError>(line.map(|line| (line, feed)))
    });
    let lines = stream::iter(first.map(Ok)).chain(rest);
    // What goes wrong now is in the log; the client sees a reply without its end.
    let lines = lines.map_err(|_| io::Error::other("the reply could not be completed"));
    let mut response = Response::new(Body::from_stream(lines));
    let content_type = HeaderValue::from_static("application/json;charset=UTF-8");
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    Ok(response)
}

enum From {
    Start,
    Change(i64),
}

/// The reply, as far as it has come.
struct Feed {
    service: Service,
    view: View,
    history: Vec<u8>,
    after: i64,
    /// The newest change when the reply began: what comes later is the next reply's.
    newest: i64,
    chunk: u32,
    /// Nodes that may still be sent.
    left: u64,
    reset: bool,
    purged: bool,
    stage: Stage,
}

enum Stage {
    First,
    Lines,
    Done,
}

impl Feed {
    /// The next line, with the line feed that parts it from the one before: some clients
    /// take a line feed at the very end for a line that is no JSON.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let first = match self.stage {
            Stage::Done => return Ok(None),
            Stage::First => true,
            Stage::Lines => false,
        };
        let nodes = self.nodes().await?;
        // A line without nodes says that there is no more: so it may only come alone.
        if nodes.is_empty() && !first {
            self.stage = Stage::Done;
            return Ok(Some(Bytes::from_static(b"\n{\"end\":true}")));
        }
        self.stage = Stage::Lines;
        let checkpoint = Checkpoint {
            seq: self.after,
            history: self.history.clone(),
        };
        let line = Line {
            checkpoint: checkpoint.encode(),
            reset: std::mem::take(&mut self.reset),
            nodes: self.view.show(&self.service, &nodes).await?,
            status_code: StatusCode::OK.as_u16(),
        };
        let mut text = Vec::new();
        if !first {
            text.push(b'\n');
        }
        serde_json::to_writer(&mut text, &line).expect("plain data always serializes");
        Ok(Some(text.into()))
    }

    /// The nodes of the next line; none are left if it is empty.
    async fn nodes(&mut self) -> Result<Vec<Node>> {
        // Pages of nothing but purged nodes, which nobody asked for, are passed over.
        while self.left > 0 {
            let limit = self.left.min(self.chunk.into()) as u32;
            let page = self
                .service
                .store
                .changes(self.after, self.newest, limit, self.purged)
                .await?;
            let Some(page) = page else { break };
            self.after = page.until;
            self.left -= page.nodes.len() as u64;
            if !page.nodes.is_empty() {
                return Ok(page.nodes);
            }
        }
        Ok(Vec::new())
    }
}

/// How far a reader has come. Clients keep it for as long as they like and know nothing of
/// what is in it.
#[derive(Debug, PartialEq, Eq)]
struct Checkpoint {
    seq: i64,
    history: Vec<u8>,
}

impl Checkpoint {
    fn encode(&self) -> String {
        let mut bytes = self.seq.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.history);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn decode(text: &str) -> Result<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
        match bytes.split_first_chunk() {
            Some((seq, history)) if !history.is_empty() => Ok(Self {
                seq: i64::from_be_bytes(*seq),
                history: history.to_vec(),
            }),
            _ => Err(ApiError::bad_request(format!("Invalid checkpoint: {text}"))),
        }
    }

    /// From the start, if it is one of another drive or of what came after the copy that
    /// this drive was made from.
    fn resume(self, newest: i64, history: &[u8]) -> From {
        match self.history == history && (0..=newest).contains(&self.seq) {
            true => From::Change(self.seq),
            false => From::Start,
        }
    }
}

/// A number, or the text of one.
fn number(name: &str, value: Option<&Value>) -> Result<Option<u64>> {
    let number = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.parse().ok(),
        Some(_) => None,
    };
    match number {
        Some(number) if number > 0 => Ok(Some(number)),
        _ => Err(invalid(name, value)),
    }
}

/// A flag, or the text of one: nearly all clients sent `"true"`.
fn flag(name: &str, value: Option<&Value>) -> Result<bool> {
    match value {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(_) => Err(invalid(name, value)),
    }
}

fn invalid(name: &str, value: Option<&Value>) -> ApiError {
    let value = value.unwrap_or(&Value::Null);
    ApiError::bad_request(format!("Invalid {name}: {value}"))
}

/// Nodes of a line, at most and if nothing is said: what a client of the service saw in its
/// logs. Some 2 MB of text.
const CHUNK: u32 = 2000;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn checkpoint_leads_back_to_its_place_in_its_own_history_only() {
        let text = Checkpoint {
            seq: 7,
            history: vec![1, 2, 3, 4],
        }
        .encode();
        let resumed = |newest, history: &[u8]| {
            let from = Checkpoint::decode(&text).unwrap().resume(newest, history);
            match from {
                From::Start => None,
                From::Change(seq) => Some(seq),
            }
        };
        assert_eq!(resumed(7, &[1, 2, 3, 4]), Some(7));
        assert_eq!(resumed(100, &[1, 2, 3, 4]), Some(7));
        assert_eq!(resumed(6, &[1, 2, 3, 4]), None, "not yet given out");
        assert_eq!(resumed(100, &[1, 2, 3, 5]), None);
        for bad in ["x", "CNmz-basKRoA=", "AAAAAAAAAAA", "ü"] {
            assert!(Checkpoint::decode(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn flags_and_numbers_may_come_as_text() {
        for yes in [json!(true), json!("true"), json!("True")] {
            assert!(flag("f", Some(&yes)).unwrap());
        }
        for no in [json!(false), json!("false"), Value::Null] {
            assert!(!flag("f", Some(&no)).unwrap());
        }
        assert!(flag("f", Some(&json!("yes"))).is_err());
        assert_eq!(number("n", Some(&json!("5"))).unwrap(), Some(5));
        assert_eq!(number("n", Some(&json!(5))).unwrap(), Some(5));
        for bad in [json!(0), json!(-1), json!("x"), json!([]), json!(1.5)] {
            assert!(number("n", Some(&bad)).is_err(), "{bad}");
        }
    }
}
