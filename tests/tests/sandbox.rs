//! What a component cannot do, whatever it tries.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use acd::component::{
    Access, AccessToken, Component, Error, HttpOptions, Item, Kind, Limits, NameRule, Origin,
    PlanOptions, Proxy, ReadOptions, Remote, RemoteOptions, Sandbox, Settings, Target, TokenError,
    TokenSource,
};
use acd_tests::{Reply, Stub};
use async_trait::async_trait;

const TOKEN: &str = "Atza|IwEBIexample-secret-that-nobody-may-see";

/// Hands out `TOKEN` and counts what it is asked.
#[derive(Default)]
struct Tokens {
    refused: AtomicUsize,
}

#[async_trait]
impl TokenSource for Tokens {
    async fn token(&self) -> Result<AccessToken, TokenError> {
        Ok(AccessToken::new(TOKEN))
    }

    async fn refused(&self, _: &AccessToken) {
        self.refused.fetch_add(1, Ordering::SeqCst);
    }
}

fn sandbox(origins: &[(&str, Access)], tokens: &Arc<Tokens>) -> Sandbox {
    limited(origins, tokens, Limits::default())
}

fn limited(origins: &[(&str, Access)], tokens: &Arc<Tokens>, limits: Limits) -> Sandbox {
    let origins = origins
        .iter()
        .map(|(origin, access)| Origin::parse(origin, *access).unwrap())
        .collect();
    let settings = Settings {
        origins,
        credentials: Some(Arc::clone(tokens) as Arc<dyn TokenSource>),
        http: HttpOptions {
            proxy: Proxy::None,
            ..HttpOptions::default()
        },
        limits,
    };
    Sandbox::start(&Component::built_in().unwrap(), settings).unwrap()
}

/// A drive that says where its two halves are, and has a root with nothing in it.
fn drive(metadata: String, content: String) -> Stub {
    Stub::start(move |own, exchange| {
        if exchange.request.contains("account/endpoint") {
            let at = |other: &str, path| {
                let authority = if other.is_empty() { own } else { other };
                format!("http://{authority}{path}")
            };
            Reply::json(
                200,
                format!(
                    r#"{{"customerExists":true,"metadataUrl":"{}","contentUrl":"{}"}}"#,
                    at(&metadata, "/drive/v1/"),
                    at(&content, "/cdproxy/"),
                ),
            )
        } else if exchange.request.contains("isRoot") {
            Reply::json(200, format!(r#"{{"count":1,"data":[{ROOT}]}}"#))
        } else if exchange.request.contains("/content") {
            Reply::Full(200, Vec::new(), b"content".to_vec())
        } else {
            Reply::json(200, FILE)
        }
    })
}

const ROOT: &str = r#"{"id":"RRjt6JR7QF-O1GM3auqWKw","kind":"FOLDER","isRoot":true,"version":1,"parents":[],"labels":[],
    "status":"AVAILABLE","createdDate":"2013-11-05T20:00:12.000Z","modifiedDate":"2013-11-05T20:00:12.000Z"}"#;
const FILE: &str = r#"{"id":"or084G4MTvqnRo7yVnY5fQ","name":"f","kind":"FILE","version":1,
    "parents":["RRjt6JR7QF-O1GM3auqWKw"],"labels":[],"status":"AVAILABLE",
    "createdDate":"2016-04-02T09:11:47.031Z","modifiedDate":"2016-04-02T09:11:47.031Z",
    "contentProperties":{"version":1,"size":7,"md5":"9a0364b9e99bb480dd25e1f0284c8555"}}"#;
const FILE_ID: &str = "or084G4MTvqnRo7yVnY5fQ";

async fn connect(sandbox: &Sandbox, stub: &Stub) -> Result<Remote, Error> {
    sandbox.connect(RemoteOptions::new(stub.endpoint())).await
}

#[tokio::test]
async fn other_origin_is_refused_and_no_connection_is_made() {
    let outsider = Stub::start(|_, _| Reply::Nothing);
    let stub = drive(outsider.authority.clone(), String::new());
    let tokens = Arc::default();
    let sandbox = sandbox(&[(&stub.endpoint(), Access::Credentials)], &tokens);
    let error = connect(&sandbox, &stub).await.err();
    assert!(matches!(error, Some(Error::EgressDenied(_))), "{error:?}");
    assert_eq!(outsider.connections(), 0);
    assert_eq!(stub.connections(), 1);
}

#[tokio::test]
async fn nothing_is_reached_without_an_origin() {
    let stub = drive(String::new(), String::new());
    let sandbox = sandbox(&[], &Arc::default());
    let error = connect(&sandbox, &stub).await.err();
    assert!(matches!(error, Some(Error::EgressDenied(_))), "{error:?}");
    assert_eq!(stub.connections(), 0);
}

#[tokio::test]
async fn token_goes_to_its_own_origins_only() {
    let elsewhere = drive(String::new(), String::new());
    let stub = drive(String::new(), elsewhere.authority.clone());
    let sandbox = sandbox(
        &[
            (&stub.endpoint(), Access::Credentials),
            (&elsewhere.endpoint(), Access::Anonymous),
        ],
        &Arc::default(),
    );
    let remote = connect(&sandbox, &stub).await.unwrap();
    // The other half of the drive gets its request, and no token with it.
    let mut content = remote
        .read(Target::Id(FILE_ID.to_owned()), ReadOptions::default())
        .await
        .unwrap();
    let first = futures::StreamExt::next(&mut content)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&first[..], b"content");
    let has_token = |header: &String| header.contains(TOKEN);
    for exchange in stub.seen() {
        let sent = exchange.headers.iter().filter(|it| has_token(it)).count();
        assert_eq!(sent, 1, "{exchange:?}");
    }
    assert_eq!(elsewhere.connections(), 1);
    for exchange in elsewhere.seen() {
        assert!(
            !exchange
                .headers
                .iter()
                .any(|it| it.to_ascii_lowercase().starts_with("authorization")),
            "{exchange:?}"
        );
    }
}

/// The memory of this very process holds the token, as the host does; the component's
/// part of it must not. Linear memories are the anonymous mappings of 64 KiB pages that a
/// wasm engine reserves by the gigabyte.
#[tokio::test]
async fn token_is_not_in_the_components_memory() {
    let stub = drive(String::new(), String::new());
    let sandbox = sandbox(&[(&stub.endpoint(), Access::Credentials)], &Arc::default());
    let remote = connect(&sandbox, &stub).await.unwrap();
    remote.stat(Target::Id(FILE_ID.to_owned())).await.unwrap();

    let memories = linear_memories();
    assert!(!memories.is_empty());
    let found = |text: &str| {
        memories
            .iter()
            .any(|memory| contains(memory, text.as_bytes()))
    };
    // That the right memory was searched shows in what the component must know.
    assert!(found("RRjt6JR7QF-O1GM3auqWKw"));
    assert!(!found(TOKEN));
    assert!(!found("secret-that-nobody-may-see"));
}

/// The readable parts of the reservations of 4 GiB and more that this process has: wasm
/// memories, and nothing else here is that large.
fn linear_memories() -> Vec<Vec<u8>> {
    use std::os::unix::fs::FileExt as _;
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let memory = fs::File::open("/proc/self/mem").unwrap();
    let ranges: Vec<(u64, u64, bool)> = maps
        .lines()
        .map(|line| {
            let mut fields = line.split_whitespace();
            let (start, end) = fields.next().unwrap().split_once('-').unwrap();
            let address = |text| u64::from_str_radix(text, 16).unwrap();
            (
                address(start),
                address(end),
                fields.next().unwrap().starts_with("rw"),
            )
        })
        .collect();
    // A memory is its accessible start and, right behind, its inaccessible rest.
    ranges
        .windows(2)
        .filter(|pair| {
            let [(_, end, open), (next, last, rest_open)] = pair else {
                return false;
            };
            *open && end == next && !rest_open && last - next > 2 << 30
        })
        .filter_map(|pair| {
            let (start, end, _) = pair[0];
            let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
            // The instances of the other tests beside this one come and go.
            memory.read_exact_at(&mut bytes, start).ok()?;
            Some(bytes)
        })
        .collect()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

#[tokio::test]
async fn refused_token_is_reported_once_and_shown_nowhere() {
    let stub = Stub::start(|_, _| Reply::json(401, r#"{"message":"Token has expired"}"#));
    let tokens = Arc::<Tokens>::default();
    let sandbox = sandbox(&[(&stub.endpoint(), Access::Credentials)], &tokens);
    let error = connect(&sandbox, &stub).await.err().unwrap();
    assert!(matches!(error, Error::Unauthenticated(_)), "{error:?}");
    // Refused, asked again, refused again: and that is that.
    assert_eq!(stub.connections(), 2);
    assert!(tokens.refused.load(Ordering::SeqCst) >= 1);
    for text in [format!("{error}"), format!("{error:?}")] {
        assert!(!text.contains("secret"), "{text}");
    }
}

/// Work for a second and more: many names that all have to be compared.
async fn keep_busy(sandbox: &Sandbox) -> Result<(), Error> {
    let items: Vec<_> = (0..1_000_000)
        .map(|number| Item {
            name: format!("{number:030}").into_bytes(),
            kind: Kind::File,
            size: Some(number),
            md5: None,
        })
        .collect();
    let options = PlanOptions {
        destination_names: NameRule::IgnoreCase,
        clashes: acd::component::Clashes::Fail,
        remove_extra: false,
    };
    sandbox.plan(items.clone(), items, options).await.map(drop)
}

#[tokio::test]
async fn component_that_computes_too_long_is_stopped_and_replaced() {
    let stub = drive(String::new(), String::new());
    let limits = Limits {
        // One tick of its clock: two in a row mean that it does not pause.
        busy: std::time::Duration::from_millis(100),
        memory: 1 << 30,
        ..Limits::default()
    };
    let origins = [(stub.endpoint(), Access::Credentials)];
    let origins = origins
        .each_ref()
        .map(|(origin, access)| (origin.as_str(), *access));
    let sandbox = limited(&origins, &Arc::default(), limits);
    let remote = connect(&sandbox, &stub).await.unwrap();
    let error = keep_busy(&sandbox).await.err();
    let Some(Error::Lost(cause)) = error else {
        panic!("{error:?}");
    };
    assert!(cause.contains("too long"), "{cause}");
    // The next instance knows nothing of the remote, which opens itself again.
    let node = remote.stat(Target::Id(FILE_ID.to_owned())).await.unwrap();
    assert_eq!(node.name, b"f");
}

#[tokio::test]
async fn component_gets_no_more_memory_than_it_may_have() {
    let limits = Limits {
        memory: 8 << 20,
        ..Limits::default()
    };
    let sandbox = limited(&[], &Arc::default(), limits);
    let error = keep_busy(&sandbox).await.err();
    assert!(matches!(error, Some(Error::Lost(_))), "{error:?}");
    let shown = sandbox.display(vec![b"a/b".to_vec()]).await.unwrap();
    assert_eq!(shown, ["a／b"]);
}
