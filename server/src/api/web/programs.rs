//! The programs a user has let in, and how to show them the door.

use axum::{
    extract::{Path, State},
    response::Response,
};
use http::StatusCode;
use maud::{Markup, html};

use super::{Part, missing, reply, show};
use crate::{
    api::{
        Site, page,
        session::{CSRF, Form, SignedIn, failed},
    },
    scopes::Scopes,
    store::{LetIn, TakeBack, VoidLinks},
};

/// `GET /programs`.
pub(super) async fn show(State(site): State<Site>, signed_in: SignedIn) -> Response {
    let found = site.accounts().let_in(&signed_in.account, MOST + 1).await;
    let mut programs = match found {
        Ok(found) => found,
        Err(error) => return failed(&error),
    };
    let more = programs.len() > MOST as usize;
    programs.truncate(MOST as usize);
    let body = html! {
        h1 { "Programs" }
        @if programs.is_empty() {
            p.empty { "You have let no program in." }
        } @else {
            p { "These programs can use your drive until you revoke that." }
            (table(&programs, &signed_in.csrf))
            @if more {
                p.faint { "There are more, from before these." }
            }
        }
    };
    reply(
        &signed_in,
        Part::Programs,
        StatusCode::OK,
        "Programs",
        &body,
    )
}

/// `POST /programs/{id}/revoke`.
pub(super) async fn revoke(
    State(site): State<Site>,
    signed_in: SignedIn,
    Path(id): Path<String>,
    Form(_): Form,
) -> Response {
    let take_back = TakeBack {
        id,
        account: signed_in.account.clone(),
    };
    let taken_back = site.accounts().write(take_back).await;
    // It may have asked for links, which need no token.
    if let Err(error) = signed_in.drive.store.write(VoidLinks).await {
        return failed(&error);
    }
    match taken_back {
        Ok(true) => page::see_other(HERE),
        Ok(false) => missing(
            &signed_in,
            Part::Programs,
            "This program had no leave any more.",
        ),
        Err(error) => failed(&error),
    }
}

fn table(programs: &[LetIn], csrf: &str) -> Markup {
    html! {
        table.nodes {
            thead {
                tr {
                    th scope="col" { "Program" }
                    th.when scope="col" { "Since (UTC)" }
                    th.action scope="col" { span.hidden { "What to do" } }
                }
            }
            tbody { @for program in programs { (row(program, csrf)) } }
        }
    }
}

fn row(program: &LetIn, csrf: &str) -> Markup {
    let scopes = Scopes::parse(&program.scopes).unwrap_or_default();
    html! {
        tr {
            th.name scope="row" {
                span.entry { (show::name(&program.program)) }
                ul.leave { @for scope in scopes.iter() { li { (scope.meaning()) } } }
                span.under { (show::time(program.created)) }
            }
            td.when { (show::time(program.created)) }
            td.action {
                form method="post" action={ (HERE) "/" (program.id) "/revoke" } {
                    input type="hidden" name=(CSRF) value=(csrf);
                    button.quiet type="submit" aria-label={ "Revoke " (show::visible(&program.program)) } {
                        "Revoke"
                    }
                }
            }
        }
    }
}

/// Rows of the one page: nobody has let in so many programs on purpose.
const MOST: u32 = 200;

const HERE: &str = "/programs";
