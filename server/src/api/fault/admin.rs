//! `/admin/faults`: rules while the server runs, from this machine only.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Path, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{
    Peer, auth,
    reply::{self, ApiError, Result},
    request,
};
use crate::{
    fault::{FaultRule, Faults},
    ids,
};

/// The token that opens it, which is nowhere but in memory and where its owner was told it.
#[derive(Clone)]
pub(crate) struct Admin(Arc<str>);

impl Admin {
    pub(crate) fn new() -> Self {
        Self(ids::client_secret().into())
    }

    pub(crate) fn token(&self) -> &str {
        &self.0
    }
}

/// The routes, if there is a token.
pub(in crate::api) fn routes(faults: Faults, admin: Option<Admin>) -> Router {
    let Some(admin) = admin else {
        return Router::new();
    };
    Router::new()
        .route("/admin/faults", get(list).post(add).delete(clear))
        .route("/admin/faults/{which}", axum::routing::delete(remove))
        .route_layer(middleware::from_fn_with_state(admin, require))
        .with_state(faults)
}

/// Lets through who is on this machine and has the token.
async fn require(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>();
    if !peer.is_some_and(|Peer(address)| is_here(*address)) {
        let message = "Faults can be changed from this machine only";
        return ApiError::short(StatusCode::FORBIDDEN, message).into_response();
    }
    let presented = auth::bearer(request.headers()).map(ids::digest);
    if presented != Some(ids::digest(admin.token())) {
        return ApiError::empty(StatusCode::UNAUTHORIZED).into_response();
    }
    next.run(request).await
}

fn is_here(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

async fn list(State(faults): State<Faults>) -> Response {
    let rules: Vec<Value> = faults.rules().iter().map(show).collect();
    reply::json(StatusCode::OK, &json!({ "faults": rules }))
}

#[derive(Deserialize)]
struct AddRequest {
    rule: String,
}

async fn add(State(faults): State<Faults>, body: Body) -> Result<Response> {
    let asked: AddRequest = request::parse(&request::bytes(body).await?)?;
    match faults.add(&asked.rule) {
        Ok(id) => {
            let rules = faults.rules();
            let added = rules.iter().find(|rule| rule.id == id);
            Ok(reply::json(StatusCode::CREATED, &added.map(show)))
        }
        Err(invalid) => {
            let reply = json!({ "message": invalid.to_string(), "allowed": invalid.allowed() });
            Ok(reply::json(StatusCode::BAD_REQUEST, &reply))
        }
    }
}

async fn clear(State(faults): State<Faults>) -> StatusCode {
    faults.clear();
    StatusCode::NO_CONTENT
}

/// By id, or by the name of a fault.
async fn remove(State(faults): State<Faults>, Path(which): Path<String>) -> Result<StatusCode> {
    // A name may be all digits as well: ids are small, names are not.
    let removed = which.parse().is_ok_and(|id| faults.remove(id)) || faults.remove_all(&which) > 0;
    match removed {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::short(
            StatusCode::NOT_FOUND,
            format!("There is no rule {which}"),
        )),
    }
}

fn show(rule: &FaultRule) -> Value {
    json!({
        "id": rule.id,
        "name": rule.name,
        "rule": rule.rule,
        "matched": rule.matched,
        "hits": rule.hits,
    })
}

#[cfg(test)]
mod tests {
    use tower_service::Service as _;

    use super::*;
    use crate::clock::Clock;

    async fn status(peer: Option<&str>, token: &str) -> StatusCode {
        let admin = Admin(Arc::from("right"));
        let mut router = routes(Faults::new(Clock::default()), Some(admin));
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = "/admin/faults".parse().unwrap();
        let authorization = format!("Bearer {token}").parse().unwrap();
        request.headers_mut().insert("Authorization", authorization);
        if let Some(peer) = peer {
            request.extensions_mut().insert(Peer(peer.parse().unwrap()));
        }
        router.call(request).await.unwrap().status()
    }

    #[tokio::test]
    async fn only_this_machine_gets_in_and_only_with_the_token() {
        for here in [
            "127.0.0.1:1",
            "127.8.8.8:1",
            "[::1]:1",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert_eq!(status(Some(here), "right").await, 200, "{here}");
            assert_eq!(status(Some(here), "wrong").await, 401, "{here}");
        }
        for there in ["192.168.1.5:1", "[2001:db8::1]:1", "[::ffff:10.0.0.1]:1"] {
            assert_eq!(status(Some(there), "right").await, 403, "{there}");
        }
        assert_eq!(status(None, "right").await, 403);
    }
}
