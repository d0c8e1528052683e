//! Content coming in: `multipart/form-data`, read part by part and never collected.

use std::{io, time::Duration};

use axum::{Extension, body::Body, extract::Path, response::Response};
use http::{HeaderMap, StatusCode, header};
use mime::Mime;
use tokio::{task, time::timeout};

use super::{
    auth::{Caller, Drive},
    fault::Hooks,
    multipart::{Broken, Multipart, Part},
    properties,
    reply::{ApiError, Result},
    request::{LARGEST_JSON, NodeFields, Parameters},
    wire,
};
use crate::{
    content::{Objects, Stored},
    media, names,
    picture::{self, Details},
    store::{Create, Kind, NewFile, Overwrite, Refusal},
};

pub(super) async fn create(
    Drive(service): Drive,
    Extension(caller): Extension<Caller>,
    hooks: Hooks,
    parameters: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let mut parts = Parts::new(&headers, body)?;
    let missing = || ApiError::bad_request("The part 'metadata' must come first");
    let first = parts.next().await?.ok_or_else(missing)?;
    if first.name() != Some("metadata") {
        return Err(missing());
    }
    let fields = NodeFields::parse(&small(first).await?)?;
    fields.check()?;
    let name = fields.required_name()?;
    if fields
        .kind
        .as_deref()
        .is_some_and(|kind| kind != Kind::File.as_str())
    {
        return Err(ApiError::bad_request(
            "Only nodes of kind FILE have content",
        ));
    }
    let properties = properties::of_caller(fields.properties, &caller)?;
    let parents = fields.parents.unwrap_or_default();
    // Also said now, and not after the last byte. It may have changed by then.
    if !hooks.skips_name_check() {
        service.store.check_place(&parents, &name).await?;
    }
    hooks.refuse_name(&service.store, &name, &parents).await?;
    let (stored, declared) = parts.receive(&service.objects).await?;
    let size = stored.size();
    let extension = names::extension(&name);
    let content_type = media::content_type(declared.as_deref(), extension.as_deref());
    let (stored, details) = details(stored, &content_type).await?;
    let create = Create {
        name,
        parents,
        labels: fields.labels.unwrap_or_default(),
        description: fields.description.flatten(),
        properties,
        local_id: fields.local_id,
        created_by: caller.name,
        now: service.clock.now(),
        file: Some(NewFile {
            stored,
            content_type,
            details,
            refuse_duplicate: parameters.value("suppress") != Some("deduplication"),
        }),
    };
    let node = hooks.commit(&service.store, size, create).await?;
    Ok(wire::node(StatusCode::CREATED, &node))
}

pub(super) async fn overwrite(
    Drive(service): Drive,
    Path(id): Path<String>,
    hooks: Hooks,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let parts = Parts::new(&headers, body)?;
    let Some(old) = service.store.node(&id).await?.content else {
        return Err(Refusal::NotAFile { id }.into());
    };
    let (stored, declared_type) = parts.receive(&service.objects).await?;
    let size = stored.size();
    let content_type = media::content_type(declared_type.as_deref(), old.extension.as_deref());
    let (stored, details) = details(stored, &content_type).await?;
    let overwrite = Overwrite {
        id,
        stored,
        declared_type,
        details,
        now: service.clock.now(),
        garbage: service.garbage.clone(),
        replaced: None,
    };
    let node = hooks.commit(&service.store, size, overwrite).await?;
    Ok(wire::node(StatusCode::OK, &node))
}

/// What a picture says of itself.
async fn details(stored: Stored, content_type: &str) -> Result<(Stored, Option<Details>)> {
    if !content_type.starts_with("image/") {
        return Ok((stored, None));
    }
    let turn = picture::AT_ONCE.acquire().await;
    let read = task::spawn_blocking(move || {
        let _turn = turn;
        let file = stored.open()?;
        // What calls itself a picture need not be one.
        Ok::<_, io::Error>((stored, picture::details(file).ok()))
    });
    match read.await {
        Ok(read) => read.map_err(|error| ApiError::internal(&error)),
        Err(panic) => Err(ApiError::internal(&panic)),
    }
}

/// The parts of a body, one after the other.
struct Parts(Multipart);

impl Parts {
    fn new(headers: &HeaderMap, body: Body) -> Result<Self> {
        let content_type = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let content_type = content_type.and_then(|value| value.parse::<Mime>().ok());
        let content_type = content_type.filter(|it| it.essence_str() == "multipart/form-data");
        let boundary = content_type
            .as_ref()
            .and_then(|it| it.get_param(mime::BOUNDARY));
        let boundary = boundary
            .ok_or_else(|| ApiError::bad_request("Content must come as multipart/form-data"))?;
        Ok(Self(Multipart::new(
            body.into_data_stream(),
            boundary.as_str(),
        )))
    }

    /// The next part.
    async fn next(&mut self) -> Result<Option<Part<'_>>> {
        alive(self.0.next()).await
    }

    /// Reads to the end and stores what is in the part `content`; says which type that part
    /// declares. Parts of other names are read over.
    async fn receive(mut self, objects: &Objects) -> Result<(Stored, Option<String>)> {
        let mut received = None;
        while let Some(mut field) = self.next().await? {
            // One client of the service's days used the plural.
            if !matches!(field.name(), Some("content" | "contents")) {
                small(field).await?;
                continue;
            }
            if received.is_some() {
                return Err(ApiError::bad_request(
                    "There is more than one part 'content'",
                ));
            }
            let declared = field.content_type().map(str::to_owned);
            let mut upload = objects.upload();
            while let Some(bytes) = alive(field.chunk()).await? {
                upload.write(bytes).await.map_err(not_stored)?;
            }
            received = Some((upload, declared));
        }
        let missing = || ApiError::bad_request("The part 'content' is missing");
        let (upload, declared) = received.ok_or_else(missing)?;
        let stored = upload.finish().await.map_err(not_stored)?;
        Ok((stored, declared))
    }
}

/// The bytes of a small part.
async fn small(mut field: Part<'_>) -> Result<Vec<u8>> {
    let mut whole = Vec::new();
    while let Some(bytes) = alive(field.chunk()).await? {
        if whole.len() + bytes.len() > LARGEST_JSON {
            return Err(ApiError::bad_request("A part is too large"));
        }
        whole.extend_from_slice(&bytes);
    }
    Ok(whole)
}

/// Waits for the client, but not for ever.
async fn alive<T>(next: impl Future<Output = std::result::Result<T, Broken>>) -> Result<T> {
    match timeout(SILENCE, next).await {
        Ok(Ok(next)) => Ok(next),
        Ok(Err(Broken)) => Err(ApiError::short(
            StatusCode::BAD_REQUEST,
            "Cannot read from request.",
        )),
        Err(_) => Err(ApiError::short(
            StatusCode::BAD_REQUEST,
            "Cannot complete upload",
        )),
    }
}

fn not_stored(error: io::Error) -> ApiError {
    match error.kind() {
        // A full disk is to the client what a used-up plan was.
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ApiError::coded(
            StatusCode::FORBIDDEN,
            "NO_ACTIVE_SUBSCRIPTION_FOUND",
            "File size exceeds account allowance.",
        ),
        _ => ApiError::internal(&error),
    }
}

/// A client that sends nothing for so long is gone: nothing else would ever end its
/// upload, and slow disks at the other end take seconds.
const SILENCE: Duration = Duration::from_secs(300);

/// What fuzzing puts into the reader: a body as it came, piece by piece. Says what was stored.
#[cfg(any(test, fuzzing))]
pub(crate) async fn read_pieces(
    boundary: &str,
    pieces: Vec<bytes::Bytes>,
    objects: &Objects,
) -> Option<(Vec<u8>, Stored, Option<String>)> {
    let mut headers = HeaderMap::new();
    let content_type = format!("multipart/form-data; boundary={boundary}");
    headers.insert(header::CONTENT_TYPE, content_type.parse().ok()?);
    let stream = futures::stream::iter(pieces.into_iter().map(Ok::<_, io::Error>));
    let mut parts = Parts::new(&headers, Body::from_stream(stream)).ok()?;
    let first = parts.next().await.ok()??;
    let metadata = small(first).await.ok()?;
    let (stored, declared) = parts.receive(objects).await.ok()?;
    Some((metadata, stored, declared))
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use bytes::Bytes;
    use proptest::{
        prelude::*,
        test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
    };

    use super::*;
    use crate::{
        content::{self, Staging},
        durability::{Disk, Durability},
    };

    #[tokio::test]
    async fn full_disk_is_told_as_a_used_up_plan() {
        let reply = not_stored(io::ErrorKind::StorageFull.into()).into_response();
        assert_eq!(reply.status(), StatusCode::FORBIDDEN);
        let body = axum::body::to_bytes(reply.into_body(), 1000).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["code"], "NO_ACTIVE_SUBSCRIPTION_FOUND");
        let reply = not_stored(io::ErrorKind::PermissionDenied.into()).into_response();
        assert_eq!(reply.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    /// A folder for objects.
    fn objects() -> (tempfile::TempDir, Objects) {
        let dir = tempfile::tempdir().unwrap();
        let (staging, content) = (dir.path().join("staging"), dir.path().join("content"));
        std::fs::create_dir(&staging).unwrap();
        let disk = Disk::new(Durability::Relaxed);
        let staging = Staging::create(&staging, &content, disk).unwrap();
        let objects = Objects::open(&content, staging).unwrap();
        (dir, objects)
    }

    /// The body as many clients send it, with what some add to it.
    fn body(metadata: &str, content: &[u8], oddity: Oddity) -> Vec<u8> {
        let (disposition, more, after) = match oddity {
            Oddity::None => ("filename=\"x\"", "", ""),
            Oddity::Epilogue => ("filename=\"x\"", "", "multipart/form-data; boundary=b"),
            Oddity::UnquotedName => ("filename=a b.txt", "", "\r\n"),
            Oddity::ContentLength => ("filename=\"\"", "Content-Length: 5\r\n", ""),
        };
        let mut body = format!(
            "--b\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n{metadata}\r\n\
             --b\r\nContent-Disposition: form-data; name=\"content\"; {disposition}\r\n\
             {more}Content-Type: image/png\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n--b--");
        body.extend_from_slice(after.as_bytes());
        body
    }

    #[derive(Clone, Copy, Debug)]
    enum Oddity {
        None,
        Epilogue,
        UnquotedName,
        ContentLength,
    }

    /// Cuts bytes into pieces of these lengths, over and over.
    fn pieces(bytes: &[u8], lengths: &[usize]) -> Vec<Bytes> {
        let mut rest = Bytes::copy_from_slice(bytes);
        let mut pieces = Vec::new();
        for length in lengths.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            pieces.push(rest.split_to((*length).min(rest.len())));
        }
        pieces
    }

    /// Cases are the same each time: what fails here, fails everywhere.
    fn runner() -> TestRunner {
        let config = Config {
            cases: 300,
            failure_persistence: None,
            ..Config::default()
        };
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
    }

    fn runtime() -> tokio::runtime::Runtime {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().build().unwrap()
    }

    #[test]
    fn content_is_the_same_wherever_the_body_is_cut() {
        let (_dir, objects) = objects();
        let runtime = runtime();
        // Made of what boundaries are made of.
        let part = prop_oneof![
            Just(&b"\r\n"[..]),
            Just(&b"--b"[..]),
            Just(&b"\r\n--"[..]),
            Just(&b"-"[..]),
            Just(&b"\0x"[..])
        ];
        let content = proptest::collection::vec(part, 0..40).prop_map(|parts| parts.concat());
        let oddity = prop_oneof![
            Just(Oddity::None),
            Just(Oddity::Epilogue),
            Just(Oddity::UnquotedName),
            Just(Oddity::ContentLength)
        ];
        let lengths = proptest::collection::vec(1_usize..60, 1..5);
        runner()
            .run(&(content, oddity, lengths), |(content, oddity, lengths)| {
                // That would end it.
                prop_assume!(!content.windows(5).any(|part| part == b"\r\n--b"));
                prop_assume!(!content.starts_with(b"--b"));
                let body = body("{}", &content, oddity);
                let read = runtime.block_on(read_pieces("b", pieces(&body, &lengths), &objects));
                let (metadata, stored, declared) = read.expect("it is a whole body");
                prop_assert_eq!(metadata, b"{}");
                prop_assert_eq!(stored.size(), content.len() as i64);
                prop_assert_eq!(
                    stored.md5(),
                    hex::encode(<md5::Md5 as md5::Digest>::digest(&content))
                );
                prop_assert_eq!(declared.as_deref(), Some("image/png"));
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn body_that_is_cut_off_is_refused_and_leaves_nothing() {
        let (dir, objects) = objects();
        let runtime = runtime();
        let whole = body("{\"name\": \"x\"}", b"some content", Oddity::None);
        // Behind the last boundary's name nothing is needed any more.
        let enough = whole.len() - 2;
        for end in 0..enough {
            let pieces = pieces(&whole[..end], &[7]);
            let read = runtime.block_on(read_pieces("b", pieces, &objects));
            assert!(read.is_none(), "{end} of {} bytes", whole.len());
        }
        let read = runtime.block_on(read_pieces("b", pieces(&whole, &[7]), &objects));
        assert!(read.is_some());
        drop(read);
        let left = content::folders(&dir.path().join("content"))
            .map(|folder| std::fs::read_dir(folder).unwrap().count())
            .sum::<usize>();
        assert_eq!(left, 0);
    }

    #[test]
    fn no_body_makes_the_reader_panic() {
        let (_dir, objects) = objects();
        let runtime = runtime();
        let part = prop_oneof![
            Just("--b".to_owned()),
            Just("\r\n".to_owned()),
            Just("--".to_owned()),
            Just("Content-Disposition: form-data; name=\"metadata\"".to_owned()),
            Just("Content-Disposition: form-data; name=\"content\"".to_owned()),
            Just("Content-Disposition: form-data; name=\"con".to_owned()),
            Just("content-type:".to_owned()),
            "\\PC{0,5}"
        ];
        let body = proptest::collection::vec(part, 0..25).prop_map(|parts| parts.concat());
        let lengths = proptest::collection::vec(1_usize..30, 1..5);
        runner()
            .run(&(body, lengths), |(body, lengths)| {
                let pieces = pieces(body.as_bytes(), &lengths);
                drop(runtime.block_on(read_pieces("b", pieces, &objects)));
                Ok(())
            })
            .unwrap();
    }
}
