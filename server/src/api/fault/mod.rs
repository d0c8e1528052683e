//! Where fault rules meet requests: a layer around everything, one behind the tokens, and
//! [`Hooks`] for the moments in the middle of a call.
//!
//! What can be done from outside is done there: a call is answered in place of the server,
//! its bodies break off, its reply is rewritten. Without rules, a request costs one look at a
//! number.

mod account;
mod admin;
mod body;
mod canned;
mod changes;
mod hooks;
mod nodes;
mod origin;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;

pub(super) use self::admin::routes as admin_routes;
use self::body::{AfterBytes, Then};
pub(super) use self::hooks::Hooks;
pub(crate) use self::{account::OtherAccount, admin::Admin, origin::Origin};
use super::{
    RequestId,
    auth::{self, Caller, Drive},
    reply::ApiError,
    request,
};
use crate::{
    fault::{Break, Call, Canned, Control, Effect, Facts, Faults, Rule},
    ids,
};

/// Around everything but the log.
pub(super) async fn outside(
    State(faults): State<Faults>,
    mut request: Request,
    next: Next,
) -> Response {
    if !faults.any() {
        return next.run(request).await;
    }
    faults.run_due().await;
    let facts = facts(&request);
    if facts.call == Call::Elsewhere {
        return next.run(request).await;
    }
    let control = request.extensions().get::<Control>().cloned();
    let rules = faults.in_force();
    let mut interrupted = None;
    for rule in &rules {
        match before(rule, &facts, &faults, &mut request, control.as_ref()).await {
            Before::GoOn => {}
            Before::Answer(reply) => return reply,
            Before::MayAnswer(reply, reached) => interrupted = Some((reply, reached)),
        }
    }
    // Rules are about bytes and JSON, and both are gone once a reply is compressed.
    request.headers_mut().remove(header::ACCEPT_ENCODING);
    let empty_page = nodes::insert_empty_page(&rules, &facts, &mut request);
    let presented = token_digest(request.headers());
    let moment = Arc::new(hooks::Moment {
        faults: faults.clone(),
        rules,
        facts,
        presented,
    });
    request.extensions_mut().insert(moment.clone());
    let mut response = next.run(request).await;
    if let Some((reply, reached)) = interrupted
        && reached.load(Ordering::Acquire)
    {
        response = ApiError::from(&reply).into_response();
    }
    after(&moment, empty_page, response, control).await
}

/// Behind the tokens, where it is known which drive a call is about.
pub(super) async fn inside(mut request: Request, next: Next) -> Response {
    let Some(moment) = request.extensions().get::<Arc<hooks::Moment>>().cloned() else {
        return next.run(request).await;
    };
    if let Err(error) = account::swap(&moment, &mut request).await {
        return error.into_response();
    }
    let Some(drive) = request.extensions().get::<Drive>().cloned() else {
        return next.run(request).await;
    };
    let caller = request.extensions().get::<Caller>().cloned();
    let replaced = nodes::before_overwrite(&moment, &drive).await;
    let left = match nodes::left_folder(&moment, &mut request).await {
        Ok(left) => left,
        Err(error) => return error.into_response(),
    };
    let mut response = next.run(request).await;
    if let Some(replaced) = replaced {
        nodes::overwritten(&moment, replaced).await;
    }
    if let Some(folder) = left {
        response = nodes::moved(&moment, folder, response).await;
    }
    response.extensions_mut().insert(origin::Source {
        drive,
        caller,
        // Only a download's path is looked at.
        id: nodes::id_in_path(&moment.facts.path),
    });
    response
}

fn facts(request: &Request) -> Facts {
    let (method, uri) = (request.method().clone(), request.uri());
    let query = uri.query().unwrap_or_default().to_owned();
    let size = request.headers().get(header::CONTENT_LENGTH);
    let id = request.extensions().get::<RequestId>();
    Facts {
        call: Call::of(&method, uri.path(), &query),
        path: uri.path().to_owned(),
        query,
        size: size.and_then(number),
        request: id.map(|id| id.0.clone()).unwrap_or_default(),
        method,
    }
}

enum Before {
    GoOn,
    Answer(Response),
    /// Answered so if the flag is set when the call is through.
    MayAnswer(Canned, Arc<AtomicBool>),
}

/// What a rule does before a call is handled.
async fn before(
    rule: &Rule,
    facts: &Facts,
    faults: &Faults,
    request: &mut Request,
    control: Option<&Control>,
) -> Before {
    let canned = |reply: &Canned| Before::Answer(ApiError::from(reply).into_response());
    match &rule.effect {
        Effect::Reply(reply) if rule.applies(facts) => return canned(reply),
        Effect::RateLimit { budget, reply }
            if rule.is_about(facts) && !budget.take(faults.now()) && rule.applies(facts) =>
        {
            return canned(reply);
        }
        Effect::Storm { lasts, ends, reply } if rule.is_about(facts) => {
            let now = faults.now();
            let under_way = ends.lock().is_some_and(|end| now < end);
            if under_way {
                rule.goes_on(facts);
                return canned(reply);
            }
            if rule.applies(facts) {
                *ends.lock() = Some(now.saturating_add(*lasts));
                return canned(reply);
            }
        }
        Effect::ShortTokens { ends, .. } => {
            let now = faults.now();
            let end = token_digest(request.headers())
                .and_then(|digest| ends.lock().get(&digest).copied());
            if facts.call != Call::Token && end.is_some_and(|end| now >= end) {
                rule.goes_on(facts);
                return canned(&Canned::expired());
            }
        }
        Effect::Latency(time) if rule.applies(facts) => {
            tokio::select! {
                () = tokio::time::sleep(*time) => {}
                () = faults.stopping() => {}
            }
        }
        Effect::NoReply {
            handled: false,
            how,
        } => {
            if let Some(control) = control
                && rule.applies(facts)
            {
                match control.end(*how).await {}
            }
        }
        Effect::PageLimit(most) if rule.applies(facts) => {
            nodes::limit_page(request, *most);
        }
        Effect::ChangesReset if rule.applies(facts) => {
            if let Err(error) = changes::forget_checkpoint(request).await {
                return Before::Answer(error.into_response());
            }
        }
        Effect::BreakRequest { after, by }
            if facts.size.is_none_or(|size| size >= *after) && may_have_body(facts) =>
        {
            return break_request(rule, facts, faults, request, control, *after, by);
        }
        _ => {}
    }
    Before::GoOn
}

fn break_request(
    rule: &Rule,
    facts: &Facts,
    faults: &Faults,
    request: &mut Request,
    control: Option<&Control>,
    after: u64,
    by: &Break,
) -> Before {
    let reached = Arc::new(AtomicBool::new(false));
    let then = match (by, control) {
        (Break::End(how), Some(control)) => Then::End {
            control: control.clone(),
            how: *how,
            flush: false,
        },
        (Break::End(_), None) => return Before::GoOn,
        (Break::Stall(pause), _) => Then::stall(*pause, faults),
        (Break::Reply(_), _) => Then::Fail(reached.clone()),
    };
    if !rule.applies(facts) {
        return Before::GoOn;
    }
    let body = std::mem::take(request.body_mut());
    *request.body_mut() = Body::new(AfterBytes::new(body, after, then));
    match by {
        Break::Reply(reply) => Before::MayAnswer(reply.clone(), reached),
        _ => Before::GoOn,
    }
}

/// Whether the request is of a kind that has a body. Those that do not say how large theirs
/// is send it in chunks.
fn may_have_body(facts: &Facts) -> bool {
    facts.size.is_some_and(|size| size > 0)
        || facts.size.is_none()
            && (facts.method == http::Method::POST || facts.method == http::Method::PUT)
}

/// What rules make of a reply.
async fn after(
    moment: &Arc<hooks::Moment>,
    empty_page: Option<String>,
    mut response: Response,
    control: Option<Control>,
) -> Response {
    let hooks::Moment {
        faults,
        rules,
        facts,
        ..
    } = &**moment;
    let size = content_size(facts, response.headers());
    for rule in rules {
        match &rule.effect {
            Effect::NoReply { handled: true, how } => {
                if let Some(control) = &control
                    && rule.applies_to_size(facts, size)
                {
                    match control.end(*how).await {}
                }
            }
            Effect::ShortTokens { .. } | Effect::SwapAccount(_)
                if response.status().is_success() =>
            {
                response = token(rule, facts, faults, response).await;
            }
            Effect::RefuseDownload { above, reply }
                if response.status() == StatusCode::OK
                    && size.is_some_and(|size| size > *above)
                    && rule.applies_to_size(facts, size) =>
            {
                response = ApiError::from(reply).into_response();
            }
            Effect::RedirectDownload { above, origin }
                if response.status().is_success() && size.is_some_and(|size| size > *above) =>
            {
                if let Some(source) = response.extensions_mut().remove::<origin::Source>()
                    && rule.applies_to_size(facts, size)
                {
                    let ip = control.as_ref().map(Control::local_ip);
                    response = origin.redirect(source, ip, faults).await;
                }
            }
            Effect::CorruptDownload { at }
                if response.status().is_success()
                    && length(response.headers()).is_some_and(|length| length > *at)
                    && rule.applies_to_size(facts, size) =>
            {
                let at = *at;
                response = response.map(|body| Body::new(body::Corrupt::new(body, at)));
            }
            Effect::ChangesDuplicate | Effect::ChangesNoEnd
                if response.status().is_success() && rule.applies(facts) =>
            {
                response = match rule.effect {
                    Effect::ChangesDuplicate => changes::duplicate(response),
                    _ => changes::without_end(response),
                };
            }
            _ => {}
        }
    }
    if facts.call == Call::Changes {
        response = changes::add_odd_nodes(moment, response);
    }
    response = nodes::rewrite(moment, size, empty_page, response).await;
    for rule in rules {
        if let Effect::BreakReply { after, by } = &rule.effect
            && length(response.headers()).is_none_or(|length| length >= *after)
        {
            let then = match (by, &control) {
                (Break::End(how), Some(control)) => Then::End {
                    control: control.clone(),
                    how: *how,
                    flush: true,
                },
                (Break::Stall(pause), _) => Then::stall(*pause, faults),
                _ => continue,
            };
            if rule.applies_to_size(facts, size) {
                let after = *after;
                response = response.map(|body| Body::new(AfterBytes::new(body, after, then)));
            }
        }
    }
    response
}

/// What rules make of a reply with a new access token.
async fn token(rule: &Rule, facts: &Facts, faults: &Faults, response: Response) -> Response {
    if facts.call != Call::Token {
        return response;
    }
    let (parts, body) = response.into_parts();
    // The server's own, and small.
    let Ok(bytes) = request::bytes(body).await else {
        return ApiError::empty(StatusCode::INTERNAL_SERVER_ERROR).into_response();
    };
    let unchanged = |bytes| Response::from_parts(parts.clone(), Body::from(bytes));
    let Ok(mut reply) = serde_json::from_slice::<serde_json::Value>(&bytes) else {
        return unchanged(bytes);
    };
    let digest = reply["access_token"].as_str().map(ids::digest);
    let Some(digest) = digest.filter(|_| rule.applies(facts)) else {
        return unchanged(bytes);
    };
    match &rule.effect {
        Effect::ShortTokens { lives, ends } => {
            let now = faults.now();
            let mut ends = ends.lock();
            // Of those that ended long ago nobody asks any more.
            ends.retain(|_, end| now - *end < FORGOTTEN);
            ends.insert(digest, now.saturating_add(*lives));
            reply["expires_in"] = json!(lives / 1000);
        }
        Effect::SwapAccount(other) => other.take_over(digest),
        _ => {}
    }
    replaced(parts, &reply)
}

/// The reply with another body.
fn replaced(mut parts: http::response::Parts, body: &serde_json::Value) -> Response {
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(body.to_string()))
}

/// The digest of the bearer token that a request presents.
fn token_digest(headers: &HeaderMap) -> Option<[u8; 32]> {
    auth::bearer(headers).map(ids::digest)
}

/// Bytes of the content or of the request's body.
fn content_size(facts: &Facts, reply: &HeaderMap) -> Option<u64> {
    if facts.call != Call::Download {
        return facts.size;
    }
    let range = reply
        .get(header::CONTENT_RANGE)
        .and_then(|range| range.to_str().ok())
        .and_then(|range| range.rsplit_once('/'))
        .and_then(|(_, total)| total.parse().ok());
    range.or_else(|| length(reply))
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH).and_then(number)
}

fn number(value: &HeaderValue) -> Option<u64> {
    value.to_str().ok()?.parse().ok()
}

/// Milliseconds for which the end of a token is remembered: as long as the token would have
/// lived, so that it does not come to life again.
const FORGOTTEN: i64 = super::ACCESS_SECONDS * 1000;
