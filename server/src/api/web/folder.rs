//! A folder: the way to it, and what is in it.

use axum::{extract::Path, response::Response};
use http::StatusCode;
use maud::{Markup, html};
use url::form_urlencoded::Serializer;

use super::{PAGE, Part, missing, reply, show};
use crate::{
    api::{
        request::Parameters,
        session::{SignedIn, failed},
    },
    names,
    store::{Failure, FolderPage, FolderPlace, Kind, Node, Refusal, Status, Step},
};

/// `GET /folders/{id}`.
pub(super) async fn show(
    signed_in: SignedIn,
    Path(id): Path<String>,
    parameters: Parameters,
) -> Response {
    page(&signed_in, &id, &parameters).await
}

pub(super) async fn root(signed_in: &SignedIn, parameters: &Parameters) -> Response {
    match signed_in.drive.store.root_id().await {
        Ok(id) => page(signed_in, &id, parameters).await,
        Err(error) => failed(&error),
    }
}

async fn page(signed_in: &SignedIn, id: &str, parameters: &Parameters) -> Response {
    let store = &signed_in.drive.store;
    let folder = match store.node(id).await {
        Ok(folder) => folder,
        Err(Failure::Refused(Refusal::NoSuchNode { .. })) => {
            return missing(signed_in, Part::Files, "There is no such folder.");
        }
        Err(error) => return failed(&error),
    };
    if folder.kind != Kind::Folder {
        return missing(signed_in, Part::Files, "This is a file, not a folder.");
    }
    if folder.status != Status::Available {
        let what = "This folder is in the trash. It can be restored there.";
        return missing(signed_in, Part::Trash, what);
    }
    match content(signed_in, &folder, place(parameters)).await {
        Ok((path, page)) => {
            let title = folder.name.as_deref().map_or("Files".into(), show::visible);
            let body = html! {
                (crumbs(&path))
                h1 {
                    @match &folder.name {
                        Some(name) => (show::name(name)),
                        None => "Files",
                    }
                }
                (table(&page))
                (pager(&folder, &page))
            };
            reply(signed_in, Part::Files, StatusCode::OK, title, &body)
        }
        Err(error) => failed(&error),
    }
}

async fn content(
    signed_in: &SignedIn,
    folder: &Node,
    place: FolderPlace,
) -> Result<(Vec<Step>, FolderPage), Failure> {
    let store = &signed_in.drive.store;
    let path = store.path(&folder.id).await?;
    let mut page = store.folder_page(&folder.id, &place, PAGE).await?;
    // Near the beginning, going back ends there and not on a page that is almost empty.
    if matches!(place, FolderPlace::Before(_)) && !page.has_earlier {
        page = store
            .folder_page(&folder.id, &FolderPlace::First, PAGE)
            .await?;
    }
    Ok((path, page))
}

fn place(parameters: &Parameters) -> FolderPlace {
    let name = |parameter| parameters.value(parameter).map(names::fold);
    match (name("after"), name("before")) {
        (Some(name), _) => FolderPlace::After(name),
        (None, Some(name)) => FolderPlace::Before(name),
        (None, None) => FolderPlace::First,
    }
}

/// The way from the root to a folder, itself left out.
fn crumbs(path: &[Step]) -> Markup {
    let above = path.split_last().map_or(&[][..], |(_, above)| above);
    html! {
        @if !above.is_empty() {
            nav.crumbs aria-label="Folders above" {
                ol {
                    @for step in above {
                        li {
                            @match &step.name {
                                Some(name) => a href=(address(&step.id)) title=(show::visible(name)) { (show::name(name)) },
                                None => a href="/" { "Files" },
                            }
                        }
                    }
                }
            }
        }
    }
}

fn table(page: &FolderPage) -> Markup {
    html! {
        @if page.nodes.is_empty() {
            p.empty {
                @match page.has_earlier {
                    true => "There is nothing behind this.",
                    false => "This folder is empty.",
                }
            }
        } @else {
            table.nodes {
                thead {
                    tr {
                        th scope="col" { "Name" }
                        th.number scope="col" { "Size" }
                        th.when scope="col" { "Changed (UTC)" }
                    }
                }
                tbody { @for node in &page.nodes { (row(node)) } }
            }
        }
    }
}

fn row(node: &Node) -> Markup {
    let name = show::name(node.name.as_deref().unwrap_or_default());
    html! {
        tr {
            th.name scope="row" {
                @match &node.content {
                    None => a href=(address(&node.id)) { (folder_icon()) span { (name) } },
                    Some(_) => a href={ "/files/" (node.id) } download { (file_icon()) span { (name) } },
                }
                // Where there is no room for a column of its own.
                span.under { (show::time(node.modified)) }
            }
            td.number { @if let Some(content) = &node.content { (show::size(content.size)) } }
            td.when { (show::time(node.modified)) }
        }
    }
}

fn pager(folder: &Node, page: &FolderPage) -> Markup {
    let here = match folder.name {
        Some(_) => address(&folder.id),
        None => "/".to_owned(),
    };
    let beside = |parameter: &str, node: Option<&Node>| {
        let name = node.and_then(|node| node.name.as_deref());
        let mut query = Serializer::new(String::new());
        query.append_pair(parameter, name.unwrap_or_default());
        format!("{here}?{}", query.finish())
    };
    html! {
        @if page.has_earlier || page.has_later {
            nav.pager aria-label="Pages" {
                @if page.has_earlier {
                    a href=(here) { "First" }
                    @if !page.nodes.is_empty() {
                        a href=(beside("before", page.nodes.first())) rel="prev" { "Previous" }
                    }
                }
                @if page.has_later {
                    a href=(beside("after", page.nodes.last())) rel="next" { "Next" }
                }
            }
        }
    }
}

pub(super) fn address(id: &str) -> String {
    format!("/folders/{id}")
}

pub(super) fn folder_icon() -> Markup {
    html! {
        svg.icon.folder role="img" aria-label="Folder" viewBox="0 0 16 16" width="16" height="16" {
            path d="M1 3.5A1.5 1.5 0 0 1 2.5 2h3l2 2h6A1.5 1.5 0 0 1 15 5.5v7a1.5 1.5 0 0 1-1.5 1.5h-11A1.5 1.5 0 0 1 1 12.5z" {}
        }
    }
}

pub(super) fn file_icon() -> Markup {
    html! {
        svg.icon role="img" aria-label="File" viewBox="0 0 16 16" width="16" height="16" {
            path d="M3.5 1h6L13 4.5v10h-9.5zM9 1.5V5h3.5" {}
        }
    }
}
