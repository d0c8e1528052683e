//! Nodes in replies: hidden, doubled, as they were, or never there.

use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::form_urlencoded;

use super::{
    super::{
        auth::Drive,
        reply::{self, ApiError, Result},
        request,
        wire::WireNode,
    },
    hooks::Moment,
    replaced,
};
use crate::{
    clock::iso8601,
    fault::{Call, Effect, Facts, Ghost, Odd, OddNodes, Rule, parameter},
    filter::{Filter, Match, Term, TextField},
    ids,
};

/// Before the token of a page that is behind an empty one. Not of a token's alphabet.
const EMPTY_BEFORE: &str = "~";

/// Takes the mark off a token that came with an empty page. Of a page that is to have an
/// empty one before it, the token that leads to it.
pub(super) fn insert_empty_page(
    rules: &[std::sync::Arc<Rule>],
    facts: &Facts,
    request: &mut Request,
) -> Option<String> {
    if !matches!(facts.call, Call::List { .. }) {
        return None;
    }
    let token = parameter(&facts.query, "startToken").unwrap_or_default();
    if let Some(token) = token.strip_prefix(EMPTY_BEFORE) {
        set_parameter(request, "startToken", token);
        return None;
    }
    let applies = |rule: &Rule| matches!(rule.effect, Effect::EmptyPage) && rule.applies(facts);
    let applies = rules.iter().any(|rule| applies(rule));
    applies.then(|| format!("{EMPTY_BEFORE}{token}"))
}

/// Has a listing ask for no more than so many nodes.
pub(super) fn limit_page(request: &mut Request, most: u64) {
    let asked = parameter(request.uri().query().unwrap_or_default(), "limit");
    // What is no number is refused by the listing itself.
    let limit = match asked.as_deref().map(str::parse::<u64>) {
        Some(Ok(asked)) => asked.min(most),
        Some(Err(_)) => return,
        None => most,
    };
    set_parameter(request, "limit", &limit.to_string());
}

fn set_parameter(request: &mut Request, name: &str, value: &str) {
    let query = request.uri().query().unwrap_or_default();
    let mut pairs = form_urlencoded::Serializer::new(String::new());
    let others = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key != name);
    pairs.extend_pairs(others).append_pair(name, value);
    let uri = format!("{}?{}", request.uri().path(), pairs.finish());
    if let Ok(uri) = uri.parse() {
        *request.uri_mut() = uri;
    }
}

/// `{id}` of `…/nodes/{id}/…`
pub(super) fn id_in_path(path: &str) -> String {
    let rest = path.split_once("/nodes/").map_or("", |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default().to_owned()
}

/// A file that is about to be overwritten.
pub(super) struct Replaced {
    drive: Drive,
    id: String,
    version: i64,
    node: Value,
}

pub(super) async fn before_overwrite(moment: &Moment, drive: &Drive) -> Option<Replaced> {
    let mut rules = moment.rules.iter();
    rules.find(|rule| {
        matches!(rule.effect, Effect::StaleOverwrite { .. }) && rule.is_about(&moment.facts)
    })?;
    let id = id_in_path(&moment.facts.path);
    let node = drive.0.store.node(&id).await.ok()?;
    Some(Replaced {
        drive: drive.clone(),
        version: node.content.as_ref()?.version,
        node: serde_json::to_value(WireNode::from(&node)).ok()?,
        id,
    })
}

/// Has an overwritten file shown as it was, if it was overwritten: the reply need not say so.
pub(super) async fn overwritten(moment: &Moment, replaced: Replaced) {
    let node = replaced.drive.0.store.node(&replaced.id).await.ok();
    let version = node.and_then(|node| Some(node.content?.version));
    if version.is_none_or(|version| version == replaced.version) {
        return;
    }
    let now = moment.faults.now();
    for rule in &moment.rules {
        let Effect::StaleOverwrite { lasts, shown } = &rule.effect else {
            continue;
        };
        if !rule.applies(&moment.facts) {
            continue;
        }
        let mut shown = shown.lock();
        shown.retain(|_, ghost| now < ghost.until);
        let until = now.saturating_add(*lasts);
        // Overwritten again in the meantime: it is still shown as at first.
        let ghost = shown.entry(replaced.id.clone()).or_insert_with(|| Ghost {
            node: replaced.node.clone(),
            folder: String::new(),
            until,
        });
        ghost.until = until;
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MoveRequest {
    from_parent: String,
}

/// The folder that a move takes a node out of, if a rule is about that.
pub(super) async fn left_folder(moment: &Moment, request: &mut Request) -> Result<Option<String>> {
    let mut rules = moment.rules.iter();
    let about = rules.any(|rule| {
        matches!(rule.effect, Effect::MovedTwice { .. }) && rule.is_about(&moment.facts)
    });
    match (&moment.facts.call, about) {
        (Call::Detach { folder }, true) => Ok(Some(folder.clone())),
        (Call::Move, true) => {
            let bytes = request::bytes(std::mem::take(request.body_mut())).await?;
            let asked = serde_json::from_slice::<MoveRequest>(&bytes);
            *request.body_mut() = Body::from(bytes);
            Ok(asked.ok().map(|asked| asked.from_parent))
        }
        _ => Ok(None),
    }
}

/// Has a moved node shown in the folder it left.
pub(super) async fn moved(moment: &Moment, folder: String, response: Response) -> Response {
    if !response.status().is_success() {
        return response;
    }
    let (parts, mut node) = match parse(response).await {
        Ok(parsed) => parsed,
        Err(response) => return *response,
    };
    let reply = node.clone();
    node["parents"] = json!([folder]);
    let now = moment.faults.now();
    for rule in &moment.rules {
        let Effect::MovedTwice { lasts, moved } = &rule.effect else {
            continue;
        };
        if !rule.applies(&moment.facts) {
            continue;
        }
        let mut moved = moved.lock();
        moved.retain(|ghost| now < ghost.until);
        moved.push(Ghost {
            node: node.clone(),
            folder: folder.clone(),
            until: now.saturating_add(*lasts),
        });
    }
    replaced(parts, &reply)
}

/// What rules make of the nodes in a reply. `size`: of the content, if it is about one.
pub(super) async fn rewrite(
    moment: &Moment,
    size: Option<u64>,
    empty_page: Option<String>,
    mut response: Response,
) -> Response {
    let facts = &moment.facts;
    let now = moment.faults.now();
    let success = response.status().is_success();
    match &facts.call {
        Call::Download if success => {
            for rule in &moment.rules {
                if let Effect::WrongMd5 { etag: true, .. } = rule.effect
                    && rule.applies_to_size(facts, size)
                {
                    wrong_etag(&mut response);
                }
            }
            response
        }
        Call::Create | Call::Overwrite if success => {
            let wrong = |effect: &Effect| matches!(effect, Effect::WrongMd5 { reply: true, .. });
            if !moment.rules.iter().any(|rule| wrong(&rule.effect)) {
                return response;
            }
            let (parts, mut node) = match parse(response).await {
                Ok(parsed) => parsed,
                Err(response) => return *response,
            };
            for rule in &moment.rules {
                if wrong(&rule.effect) && rule.applies(facts) {
                    wrong_md5(&mut node);
                }
            }
            replaced(parts, &node)
        }
        Call::Read { id } if response.status() == StatusCode::NOT_FOUND => {
            for rule in &moment.rules {
                if let Effect::OddNode(odd) = &rule.effect
                    && let Some(node) = odd.listed.lock().get(id)
                {
                    return reply::json(StatusCode::OK, node);
                }
            }
            response
        }
        Call::Read { .. } if success && moment.rules.iter().any(|rule| shows_nodes(rule)) => {
            let (parts, mut node) = match parse(response).await {
                Ok(parsed) => parsed,
                Err(response) => return *response,
            };
            for rule in &moment.rules {
                show_old(rule, std::slice::from_mut(&mut node), now);
                wrong_md5s(rule, facts, std::slice::from_mut(&mut node));
            }
            replaced(parts, &node)
        }
        Call::List { folder, goes_on }
            if success
                && (empty_page.is_some() || moment.rules.iter().any(|rule| shows_nodes(rule))) =>
        {
            let (parts, mut page) = match parse(response).await {
                Ok(parsed) => parsed,
                Err(response) => return *response,
            };
            if let Some(token) = empty_page {
                page["data"] = json!([]);
                page["nextToken"] = token.into();
                return replaced(parts, &page);
            }
            let Value::Array(mut nodes) = page["data"].take() else {
                return ApiError::empty(StatusCode::INTERNAL_SERVER_ERROR).into_response();
            };
            let mut count = page["count"].as_i64().unwrap_or_default();
            for rule in &moment.rules {
                count += edit_page(rule, facts, now, folder.as_deref(), *goes_on, &mut nodes);
            }
            page["data"] = nodes.into();
            page["count"] = count.into();
            replaced(parts, &page)
        }
        _ => response,
    }
}

fn shows_nodes(rule: &Rule) -> bool {
    matches!(
        rule.effect,
        Effect::StaleOverwrite { .. }
            | Effect::MovedTwice { .. }
            | Effect::NameMiss(_)
            | Effect::OddNode(_)
            | Effect::WrongMd5 { node: true, .. }
    )
}

/// What a rule makes of a page. By how much the number of all nodes changes.
fn edit_page(
    rule: &Rule,
    facts: &Facts,
    now: i64,
    folder: Option<&str>,
    goes_on: bool,
    nodes: &mut Vec<Value>,
) -> i64 {
    let filters = parameter(&facts.query, "filters").unwrap_or_default();
    let before = nodes.len();
    match &rule.effect {
        Effect::StaleOverwrite { .. } => show_old(rule, nodes, now),
        Effect::WrongMd5 { .. } => wrong_md5s(rule, facts, nodes),
        Effect::NameMiss(name) if filters.contains("name:") => {
            let missed = |node: &Value| node["name"].as_str().is_some_and(|text| name.is(text));
            if nodes.iter().any(missed) && rule.applies(facts) {
                nodes.retain(|node| !missed(node));
            }
        }
        Effect::MovedTwice { moved, .. } => {
            for ghost in moved.lock().iter() {
                let here = folder == Some(ghost.folder.as_str());
                let there = nodes.iter().any(|node| node["id"] == ghost.node["id"]);
                if here && !there && now < ghost.until && could_match(&filters, &ghost.node) {
                    nodes.push(ghost.node.clone());
                }
            }
        }
        Effect::OddNode(odd) => {
            if let Some(folder) = folder {
                let node = odd_node(odd, folder, now);
                if could_match(&filters, &node) && rule.applies(facts) {
                    remember(odd, &node);
                    nodes.push(node);
                }
            }
        }
        _ => {}
    }
    let more = nodes.len() as i64 - before as i64;
    // On the first page, as all that is put in; on later ones it still counts.
    if goes_on && more > 0 {
        nodes.truncate(before);
    }
    more
}

/// Whether a listing with this filter, and of the node's folder, would show the node. What a
/// node of ours cannot tell, it does not meet.
fn could_match(filters: &str, node: &Value) -> bool {
    match Filter::parse(filters) {
        Ok(None) => true,
        Ok(Some(filter)) => meets(&filter, node),
        Err(_) => false,
    }
}

fn meets(filter: &Filter, node: &Value) -> bool {
    let text = |key: &str| node[key].as_str().unwrap_or_default();
    match filter {
        Filter::All(parts) => parts.iter().all(|part| meets(part, node)),
        Filter::Any(parts) => parts.iter().any(|part| meets(part, node)),
        Filter::Term(Term::Kind(kind)) => text("kind") == kind.as_str(),
        Filter::Term(Term::Status(status)) => text("status") == status.as_str(),
        // The folder's listing is the one in question.
        Filter::Term(Term::Parent(_)) => true,
        Filter::Term(Term::Text(TextField::Name, Match::Is(name))) => text("name") == name,
        Filter::Term(Term::Text(TextField::Name, Match::StartsWith(name))) => {
            text("name").starts_with(name)
        }
        Filter::Term(_) => false,
    }
}

fn show_old(rule: &Rule, nodes: &mut [Value], now: i64) {
    let Effect::StaleOverwrite { shown, .. } = &rule.effect else {
        return;
    };
    let shown = shown.lock();
    for node in nodes {
        let ghost = node["id"].as_str().and_then(|id| shown.get(id));
        if let Some(ghost) = ghost.filter(|ghost| now < ghost.until) {
            *node = ghost.node.clone();
        }
    }
}

fn wrong_md5s(rule: &Rule, facts: &Facts, nodes: &mut [Value]) {
    let Effect::WrongMd5 { node: true, .. } = rule.effect else {
        return;
    };
    let has_one = |node: &Value| node["contentProperties"]["md5"].is_string();
    if nodes.iter().any(has_one) && rule.applies(facts) {
        nodes.iter_mut().for_each(wrong_md5);
    }
}

fn wrong_md5(node: &mut Value) {
    if let Some(md5) = node["contentProperties"]["md5"].as_str() {
        node["contentProperties"]["md5"] = other_digit(md5).into();
    }
}

fn wrong_etag(response: &mut Response) {
    let Some(etag) = response
        .headers()
        .get(header::ETAG)
        .and_then(|etag| etag.to_str().ok())
    else {
        return;
    };
    let wrong = format!("\"{}\"", other_digit(etag.trim_matches('"')));
    if let Ok(wrong) = HeaderValue::from_str(&wrong) {
        response.headers_mut().insert(header::ETAG, wrong);
    }
}

/// The same but for its first digit.
fn other_digit(hex: &str) -> String {
    let first = if hex.starts_with('0') { '1' } else { '0' };
    hex.chars()
        .enumerate()
        .map(|(index, digit)| if index == 0 { first } else { digit })
        .collect()
}

/// The node that is in this folder and is not there.
pub(super) fn odd_node(odd: &OddNodes, folder: &str, now: i64) -> Value {
    let id = |what: &str| {
        let digest = Sha256::digest(format!("{}/{folder}/{what}", odd.seed));
        URL_SAFE_NO_PAD.encode(&digest[..16])
    };
    let date = iso8601(now);
    let node_id = id("node");
    let mut node = json!({
        "eTagResponse": ids::etag(&node_id, 1),
        "id": node_id,
        "kind": if odd.kind == Odd::Asset { "ASSET" } else { "FILE" },
        "version": 1,
        "createdDate": date,
        "modifiedDate": date,
        "labels": [],
        "createdBy": "CloudDriveFiles",
        "parents": [if odd.kind == Odd::BogusParent { id("parent") } else { folder.to_owned() }],
        "status": if odd.kind == Odd::Pending { "PENDING" } else { "AVAILABLE" },
        "restricted": false,
        "isShared": false,
    });
    if !odd.name.is_empty() {
        node["name"] = odd.name.clone().into();
    }
    if odd.kind != Odd::Pending {
        // Of one byte, `x`.
        node["contentProperties"] = json!({
            "version": 1,
            "size": 1,
            "md5": "9dd4e461268c8034f5c8564e155c67a6",
            "contentType": "application/octet-stream",
        });
    }
    node
}

/// A node that was shown can be read.
pub(super) fn remember(odd: &OddNodes, node: &Value) {
    if let Some(id) = node["id"].as_str() {
        odd.listed.lock().insert(id.to_owned(), node.clone());
    }
}

/// A reply of this server's own JSON. What is not is given back as it was.
async fn parse(
    response: Response,
) -> std::result::Result<(http::response::Parts, Value), Box<Response>> {
    let (parts, body) = response.into_parts();
    let failed = || Box::new(ApiError::empty(StatusCode::INTERNAL_SERVER_ERROR).into_response());
    let bytes = axum::body::to_bytes(body, LARGEST_PAGE)
        .await
        .map_err(|_| failed())?;
    match serde_json::from_slice(&bytes) {
        Ok(value) => Ok((parts, value)),
        Err(_) => Err(Box::new(Response::from_parts(parts, Body::from(bytes)))),
    }
}

/// Bytes: 200 nodes, each with all that it can have.
const LARGEST_PAGE: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filter_could_match_what_it_does_not_rule_out() {
        let node = json!({"name": "a b.txt", "kind": "FILE", "status": "AVAILABLE"});
        for (filters, could) in [
            ("", true),
            ("parents:x", true),
            ("parents:x AND kind:FILE", true),
            ("parents:x AND kind:FOLDER", false),
            ("parents:x AND name:\"a b.txt\"", true),
            ("parents:x AND name:a\\ b.txt", true),
            ("parents:x AND name:a*", true),
            ("name:other OR kind:FILE", true),
            ("not a filter", false),
            ("parents:x AND name:other", false),
            ("isRoot:true", false),
            ("status:TRASH", false),
        ] {
            assert_eq!(could_match(filters, &node), could, "{filters}");
        }
        let nameless = json!({"kind": "FILE", "status": "AVAILABLE"});
        assert!(could_match("parents:x", &nameless));
        assert!(!could_match("parents:x AND name:a", &nameless));
    }

    #[test]
    fn other_digit_is_wrong_and_of_the_same_shape() {
        assert_eq!(other_digit("0abc"), "1abc");
        assert_eq!(other_digit("fabc"), "0abc");
    }
}
