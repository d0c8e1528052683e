//! Listings: of everything, of a folder, of the trash.

use axum::{extract::Path, response::Response};
use http::StatusCode;
use serde::Serialize;

use super::{
    Service,
    auth::Drive,
    fault::Hooks,
    page_token::{Asked, PageToken},
    reply::{self, ApiError, Result},
    request::Parameters,
    view::View,
    wire::WireNode,
};
use crate::{
    filter::Filter,
    store::{Order, Query, Scope, SortField, SortKey},
};

pub(super) async fn nodes(
    Drive(service): Drive,
    hooks: Hooks,
    parameters: Parameters,
    view: View,
) -> Result<Response> {
    list(&service, &hooks, Scope::Everything, &parameters, &view).await
}

/// A file has no children; an id that is not there is an error.
pub(super) async fn children(
    Drive(service): Drive,
    Path(id): Path<String>,
    hooks: Hooks,
    parameters: Parameters,
    view: View,
) -> Result<Response> {
    service.store.node(&id).await?;
    list(&service, &hooks, Scope::Children(id), &parameters, &view).await
}

pub(super) async fn trash(
    Drive(service): Drive,
    hooks: Hooks,
    parameters: Parameters,
    view: View,
) -> Result<Response> {
    list(&service, &hooks, Scope::Trash, &parameters, &view).await
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WirePage<'a> {
    count: i64,
    /// Missing on the last page: clients go on for as long as there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
    data: Vec<WireNode<'a>>,
}

async fn list(
    service: &Service,
    hooks: &Hooks,
    scope: Scope,
    parameters: &Parameters,
    view: &View,
) -> Result<Response> {
    let now = service.clock.now();
    let mut asked = Asked {
        within: within(&scope),
        filters: parameters.value("filters").map(str::to_owned),
        sort: parameters.value("sort").map(str::to_owned),
    };
    let mut after = None;
    if let Some(text) = parameters
        .value("startToken")
        .filter(|text| !text.is_empty())
    {
        let token = PageToken::decode(text, &asked, now)?;
        asked = token.asked;
        after = Some(token.cursor);
    }
    let filter = Filter::parse(asked.filters.as_deref().unwrap_or_default());
    let filter = filter.map_err(|invalid| ApiError::bad_request(invalid.to_string()))?;
    let query = Query {
        scope,
        filter: hooks.narrow(filter),
        sort: asked.sort.as_deref().map_or(Ok(Vec::new()), sort)?,
        limit: limit(parameters.value("limit"))?,
        after,
    };
    if query
        .after
        .as_ref()
        .is_some_and(|cursor| !cursor.fits(&query.sort))
    {
        return Err(ApiError::bad_request("Next token is invalid"));
    }
    let page = service.store.list(&query).await?;
    let next = page.next.map(|cursor| PageToken {
        issued: now,
        asked,
        cursor,
    });
    let reply = WirePage {
        count: page.count,
        next_token: next.as_ref().map(PageToken::encode),
        data: view.show(service, &page.nodes).await?,
    };
    Ok(reply::json(StatusCode::OK, &reply))
}

fn within(scope: &Scope) -> String {
    match scope {
        Scope::Everything => "nodes".into(),
        Scope::Children(id) => format!("children/{id}"),
        Scope::Trash => "trash".into(),
    }
}

/// More than the most are cut down to that; whether the service did so is not known, but no
/// client asks for more and counts on an error.
fn limit(text: Option<&str>) -> Result<u32> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(MOST);
    };
    match text.parse::<u32>() {
        Ok(limit) if limit > 0 => Ok(limit.min(MOST)),
        _ => Err(ApiError::bad_request(format!("Invalid limit: {text}"))),
    }
}

/// `["name ASC", "contentProperties.size"]`, with double or single quotes, descending where
/// it does not say.
fn sort(text: &str) -> Result<Vec<SortKey>> {
    let invalid = || ApiError::bad_request(format!("Invalid sort: {text}"));
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let entries: Vec<String> =
        serde_json::from_str(&text.replace('\'', "\"")).map_err(|_| invalid())?;
    if entries.len() > MOST_SORT_KEYS {
        return Err(invalid());
    }
    let keys = entries.iter().map(|entry| {
        let mut words = entry.split_whitespace();
        let field = words.next().and_then(SortField::parse)?;
        let order = match words.next() {
            None => Order::Descending,
            Some(word) if word.eq_ignore_ascii_case("DESC") => Order::Descending,
            Some(word) if word.eq_ignore_ascii_case("ASC") => Order::Ascending,
            Some(_) => return None,
        };
        words.next().is_none().then_some(SortKey { field, order })
    });
    keys.collect::<Option<_>>().ok_or_else(invalid)
}

/// Nodes of a page, at most and if nothing is said: the service's own.
const MOST: u32 = 200;

/// Each lengthens the SQL; there are no more fields to sort by.
const MOST_SORT_KEYS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sort_keys_are_read_in_both_quotes_and_descend_by_default() {
        let name = SortKey {
            field: SortField::Name,
            order: Order::Ascending,
        };
        let size = SortKey {
            field: SortField::Size,
            order: Order::Descending,
        };
        assert_eq!(sort(r#"["name ASC"]"#).unwrap(), [name]);
        assert_eq!(
            sort(r#"["contentProperties.size","name asc"]"#).unwrap(),
            [size, name]
        );
        assert_eq!(sort("['contentProperties.size DESC']").unwrap(), [size]);
        assert!(sort("[]").unwrap().is_empty());
        for bad in [
            "name ASC",
            r#"["colour"]"#,
            r#"["name UP"]"#,
            r#"["name ASC x"]"#,
            r#"[""]"#,
            "[1]",
        ] {
            assert!(sort(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn limit_is_between_one_and_two_hundred() {
        assert_eq!(limit(None).unwrap(), 200);
        assert_eq!(limit(Some("7")).unwrap(), 7);
        assert_eq!(limit(Some("1000")).unwrap(), 200);
        for bad in ["0", "-1", "x"] {
            assert!(limit(Some(bad)).is_err(), "{bad}");
        }
    }
}
