//! The trash, and the way out of it.

use axum::{extract::Path, response::Response};
use http::StatusCode;
use maud::{Markup, html};

use super::{
    PAGE, Part, folder,
    folder::{file_icon, folder_icon},
    reply, show,
};
use crate::{
    api::{
        page,
        request::Parameters,
        session::{CSRF, Form, SignedIn, failed},
    },
    store::{Failure, Refusal, Restore, TrashCursor, TrashItem, TrashPage},
};

/// `GET /trash`.
pub(super) async fn show(signed_in: SignedIn, parameters: Parameters) -> Response {
    let after = parameters.value("after").and_then(parse);
    view(&signed_in, after, StatusCode::OK, None).await
}

/// `POST /trash/{id}/restore`.
pub(super) async fn restore(
    signed_in: SignedIn,
    Path(id): Path<String>,
    Form(_): Form,
) -> Response {
    let now = signed_in.drive.clock.now();
    let restore = Restore { id, now };
    let (status, problem) = match signed_in.drive.store.write(restore).await {
        Ok(_) => return page::see_other(HERE),
        Err(Failure::Refused(refusal)) => why_not(&refusal),
        Err(error) => return failed(&error),
    };
    view(&signed_in, None, status, Some(problem)).await
}

fn why_not(refusal: &Refusal) -> (StatusCode, &'static str) {
    match refusal {
        Refusal::NameTaken { .. } => (
            StatusCode::CONFLICT,
            "It was not restored: its folder has another file or folder of this name now. \
             Rename that first.",
        ),
        Refusal::TrashedParent => (
            StatusCode::CONFLICT,
            "It was not restored: the folder it was in is in the trash as well. \
             Restore that first.",
        ),
        Refusal::NoSuchNode { .. } => (StatusCode::NOT_FOUND, "It is not in the trash any more."),
        _ => (StatusCode::CONFLICT, "It cannot be restored."),
    }
}

async fn view(
    signed_in: &SignedIn,
    after: Option<TrashCursor>,
    status: StatusCode,
    problem: Option<&str>,
) -> Response {
    let page = match signed_in.drive.store.trash_page(after, PAGE).await {
        Ok(page) => page,
        Err(error) => return failed(&error),
    };
    let body = html! {
        h1 { "Trash" }
        @if let Some(problem) = problem {
            p.bad role="alert" { (problem) }
        }
        @if page.items.is_empty() {
            p.empty { "There is nothing in the trash." }
        } @else {
            (table(&page, &signed_in.csrf))
        }
        (pager(after, &page))
    };
    reply(signed_in, Part::Trash, status, "Trash", &body)
}

fn table(page: &TrashPage, csrf: &str) -> Markup {
    html! {
        table.nodes.trash {
            thead {
                tr {
                    th scope="col" { "Name" }
                    th.number scope="col" { "Size" }
                    th.when scope="col" { "Since (UTC)" }
                    th.action scope="col" { span.hidden { "What to do" } }
                }
            }
            tbody { @for item in &page.items { (row(item, csrf)) } }
        }
    }
}

fn row(item: &TrashItem, csrf: &str) -> Markup {
    let name = item.node.name.as_deref().unwrap_or_default();
    html! {
        tr {
            th.name scope="row" {
                span.entry {
                    @match item.node.content {
                        None => (folder_icon()),
                        Some(_) => (file_icon()),
                    }
                    span { (show::name(name)) }
                }
                span.from {
                    "from "
                    @match &item.folder {
                        Some(step) => @match &step.name {
                            Some(name) => a href=(folder::address(&step.id)) title=(show::visible(name)) { (show::name(name)) },
                            None => a href="/" { "Files" },
                        },
                        None => "nowhere",
                    }
                }
                span.under {
                    @if let Some(content) = &item.node.content { (show::size(content.size)) " · " }
                    (show::time(item.trashed))
                }
            }
            td.number { @if let Some(content) = &item.node.content { (show::size(content.size)) } }
            td.when { (show::time(item.trashed)) }
            td.action {
                form method="post" action={ (HERE) "/" (item.node.id) "/restore" } {
                    input type="hidden" name=(CSRF) value=(csrf);
                    button.quiet type="submit" aria-label={ "Restore " (show::visible(name)) } {
                        "Restore"
                    }
                }
            }
        }
    }
}

fn pager(after: Option<TrashCursor>, page: &TrashPage) -> Markup {
    html! {
        @if after.is_some() || page.next.is_some() {
            nav.pager aria-label="Pages" {
                @if after.is_some() { a href=(HERE) { "First" } }
                @if let Some(TrashCursor { trashed, seq }) = page.next {
                    a href={ (HERE) "?after=" (trashed) "-" (seq) } rel="next" { "Next" }
                }
            }
        }
    }
}

/// As [`pager`] writes it; what else there is counts as nothing.
fn parse(text: &str) -> Option<TrashCursor> {
    let (trashed, seq) = text.rsplit_once('-')?;
    Some(TrashCursor {
        trashed: trashed.parse().ok()?,
        seq: seq.parse().ok()?,
    })
}

const HERE: &str = "/trash";
