//! A drive under test, known by its addresses and a token, and calls of it.

use std::fmt;

use futures::{StreamExt, stream};
use reqwest::{Body, Client, Method, RequestBuilder, StatusCode, header::HeaderMap};
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use crate::multipart::{self, MULTIPART};

/// What the suite knows of a server: nothing but what its clients know.
#[derive(Clone, Debug)]
pub(crate) struct Drive {
    /// Ends in `/`, as discovery gives it.
    pub(crate) metadata_url: String,
    /// Ends in `/`, as discovery gives it.
    pub(crate) content_url: String,
    pub(crate) token: String,
    pub(crate) http: Client,
    /// How to get further tokens, where that is known.
    pub(crate) login: Option<Login>,
}

/// A client's standing at the token endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) token_url: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) refresh_token: String,
}

/// A reply, read whole.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body[..self.body.len().min(400)]).into_owned()
    }

    /// The header's value; empty if it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// The reply, which must have this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self
    }

    /// The JSON of an error of this status, which must look as the service's errors do.
    #[track_caller]
    pub(crate) fn refused(self, status: u16) -> Value {
        let reply = self.expect(status);
        for name in ["x-amzn-RequestId", "x-amzn-ErrorType", "Content-Length"] {
            assert_ne!(reply.header(name), "", "{name}: {reply:?}");
        }
        let body = reply.json();
        assert!(body["message"].is_string(), "{body}");
        if let Some(reference) = body.get("logref") {
            let reference = Uuid::parse_str(reference.as_str().unwrap()).unwrap();
            assert_eq!(reference.get_version_num(), 1, "{body}");
        }
        if let Some(code) = body.get("code") {
            assert!(code.is_string(), "{body}");
        }
        body
    }

    /// The message of an error of this status.
    #[track_caller]
    pub(crate) fn message(self, status: u16) -> String {
        self.refused(status)["message"].as_str().unwrap().to_owned()
    }

    /// Whether the call was allowed: a success, else a refusal of the client's doing, either
    /// with JSON. For what the reference leaves open.
    #[track_caller]
    pub(crate) fn allowed(self) -> bool {
        match self.status.is_success() {
            true => drop(self.json()),
            false => {
                assert!(
                    self.status.is_client_error(),
                    "{}: {}",
                    self.status,
                    self.text()
                );
                let status = self.status.as_u16();
                self.refused(status);
                return false;
            }
        }
        true
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {}", self.status, self.headers, self.text())
    }
}

impl Drive {
    /// A new folder below the root, in which one test does all it does.
    pub(crate) async fn home(&self) -> String {
        let body = json!({"name": unique("contract"), "kind": "FOLDER"});
        let made = self.call(Method::POST, "nodes", Some(body)).await;
        id(&made.expect(201).json())
    }

    pub(crate) fn metadata(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.metadata_url);
        self.http.request(method, url).bearer_auth(&self.token)
    }

    pub(crate) fn content(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.content_url);
        self.http.request(method, url).bearer_auth(&self.token)
    }

    /// The path may have a query, encoded already.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        send(self.metadata(Method::GET, path)).await
    }

    /// A metadata call whose JSON goes without a content type, as most clients send it.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        let mut request = self.metadata(method, path);
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        send(request).await
    }

    pub(crate) async fn list(&self, path: &str, query: &[(&str, &str)]) -> Reply {
        let url = Url::parse_with_params(&format!("{}{path}", self.metadata_url), query).unwrap();
        send(self.http.get(url).bearer_auth(&self.token)).await
    }

    /// All nodes of a list, page by page, each page asked for with the same parameters.
    pub(crate) async fn all(&self, path: &str, query: &[(&str, &str)]) -> Vec<Value> {
        let mut nodes = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut query = query.to_vec();
            if let Some(token) = &token {
                query.push(("startToken", token));
            }
            let page = self.list(path, &query).await.expect(200).json();
            nodes.extend(page["data"].as_array().unwrap().iter().cloned());
            match page.get("nextToken") {
                Some(next) => token = Some(next.as_str().unwrap().to_owned()),
                None => return nodes,
            }
        }
    }

    /// The names of what a filter finds below `parent`, sorted.
    pub(crate) async fn find(&self, filter: &str) -> Vec<String> {
        names(&self.all("nodes", &[("filters", filter)]).await)
    }

    /// The names in a folder, sorted.
    pub(crate) async fn children(&self, folder: &str) -> Vec<String> {
        names(&self.all(&format!("nodes/{folder}/children"), &[]).await)
    }

    pub(crate) async fn node(&self, id: &str) -> Value {
        self.get(&format!("nodes/{id}")).await.expect(200).json()
    }

    pub(crate) async fn root(&self) -> Value {
        let query = [("filters", "kind:FOLDER AND isRoot:true")];
        let found = self.list("nodes", &query).await.expect(200).json();
        assert_eq!(found["count"], 1, "{found}");
        found["data"][0].clone()
    }

    pub(crate) async fn create_folder(&self, name: &str, parent: &str) -> Reply {
        let body = json!({"name": name, "kind": "FOLDER", "parents": [parent]});
        self.call(Method::POST, "nodes", Some(body)).await
    }

    pub(crate) async fn folder(&self, name: &str, parent: &str) -> String {
        id(&self.create_folder(name, parent).await.expect(201).json())
    }

    /// Uploads without asking for duplicates to be let pass.
    pub(crate) async fn upload_body(&self, query: &str, body: Vec<u8>) -> Reply {
        let request = self.content(Method::POST, &format!("nodes{query}"));
        send(request.header("Content-Type", MULTIPART).body(body)).await
    }

    /// Uploads in pieces without saying how much it will be.
    pub(crate) async fn upload_chunked(&self, body: Vec<u8>) -> Reply {
        let request = self.content(Method::POST, "nodes?suppress=deduplication");
        send(
            request
                .header("Content-Type", MULTIPART)
                .body(chunked(body)),
        )
        .await
    }

    pub(crate) async fn upload(&self, name: &str, parent: &str, content: &[u8]) -> Reply {
        let metadata = json!({"name": name, "kind": "FILE", "parents": [parent]});
        self.upload_as(&metadata, content).await
    }

    pub(crate) async fn upload_as(&self, metadata: &Value, content: &[u8]) -> Reply {
        let body = multipart::body(&metadata.to_string(), content);
        self.upload_body("?suppress=deduplication", body).await
    }

    pub(crate) async fn file(&self, name: &str, parent: &str, content: &[u8]) -> String {
        id(&self.upload(name, parent, content).await.expect(201).json())
    }

    pub(crate) async fn overwrite(&self, id: &str, content: &[u8]) -> Reply {
        self.overwrite_body(id, "", multipart::content_only(content))
            .await
    }

    pub(crate) async fn overwrite_body(&self, id: &str, query: &str, body: Vec<u8>) -> Reply {
        let request = self.content(Method::PUT, &format!("nodes/{id}/content{query}"));
        send(request.header("Content-Type", MULTIPART).body(body)).await
    }

    pub(crate) async fn download(&self, id: &str, range: Option<&str>) -> Reply {
        let mut request = self.content(Method::GET, &format!("nodes/{id}/content"));
        if let Some(range) = range {
            request = request.header("Range", range);
        }
        send(request).await
    }

    pub(crate) async fn bytes(&self, id: &str) -> Vec<u8> {
        self.download(id, None).await.expect(200).body
    }

    pub(crate) async fn patch(&self, id: &str, change: Value) -> Reply {
        self.call(Method::PATCH, &format!("nodes/{id}"), Some(change))
            .await
    }

    pub(crate) async fn trash(&self, id: &str) -> Reply {
        self.call(Method::PUT, &format!("trash/{id}"), None).await
    }

    pub(crate) async fn restore(&self, id: &str) -> Reply {
        self.call(Method::POST, &format!("trash/{id}/restore"), None)
            .await
    }

    pub(crate) async fn add_parent(&self, parent: &str, child: &str) -> Reply {
        self.call(
            Method::PUT,
            &format!("nodes/{parent}/children/{child}"),
            None,
        )
        .await
    }

    pub(crate) async fn remove_parent(&self, parent: &str, child: &str) -> Reply {
        self.call(
            Method::DELETE,
            &format!("nodes/{parent}/children/{child}"),
            None,
        )
        .await
    }

    pub(crate) async fn relocate(&self, child: &str, from: &str, to: &str) -> Reply {
        let body = json!({"fromParent": from, "childId": child});
        self.call(Method::POST, &format!("nodes/{to}/children"), Some(body))
            .await
    }
}

pub(crate) async fn send(request: RequestBuilder) -> Reply {
    let response = request.send().await.unwrap();
    Reply {
        status: response.status(),
        headers: response.headers().clone(),
        body: response.bytes().await.unwrap().to_vec(),
    }
}

/// The bytes as a body of unknown length, in small pieces.
pub(crate) fn chunked(body: Vec<u8>) -> Body {
    let pieces: Vec<_> = body.chunks(100).map(<[u8]>::to_vec).collect();
    Body::wrap_stream(stream::iter(pieces).map(Ok::<_, std::io::Error>))
}

/// A name nothing else has.
pub(crate) fn unique(name: &str) -> String {
    format!("{name}-{}", Uuid::new_v4().simple())
}

/// Content nothing else has.
pub(crate) fn unique_content() -> Vec<u8> {
    unique("content").into_bytes()
}

#[track_caller]
pub(crate) fn id(node: &Value) -> String {
    let id = node["id"].as_str();
    id.unwrap_or_else(|| panic!("no id: {node}")).to_owned()
}

/// The names of nodes, sorted.
pub(crate) fn names(nodes: &[Value]) -> Vec<String> {
    let name = |node: &Value| node["name"].as_str().unwrap_or("(root)").to_owned();
    let mut names: Vec<_> = nodes.iter().map(name).collect();
    names.sort();
    names
}

/// The ids of nodes, in their order.
pub(crate) fn ids(nodes: &[Value]) -> Vec<String> {
    nodes.iter().map(id).collect()
}
