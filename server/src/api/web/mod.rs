//! What a drive's owner sees in a browser: folders, the trash, how much there is, and which
//! programs were let in. Made here, in HTML, without scripts.

mod file;
mod folder;
mod programs;
mod show;
mod space;
mod trash;

use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use http::StatusCode;
use maud::{Markup, html};

use super::{
    Site,
    page::Page,
    session::{SIGN_IN, SignedIn},
};

/// The pages, each under its own address.
pub(super) fn routes() -> Router<Site> {
    Router::new()
        .route("/", get(home))
        .route("/folders/{id}", get(folder::show))
        .route("/files/{id}", get(file::download))
        .route("/trash", get(trash::show))
        .route("/trash/{id}/restore", post(trash::restore))
        .route("/space", get(space::show))
        .route("/programs", get(programs::show))
        .route("/programs/{id}/revoke", post(programs::revoke))
}

/// `GET /`: the root folder, or for others what this is.
async fn home(
    State(_): State<Site>,
    signed_in: Option<SignedIn>,
    parameters: super::request::Parameters,
) -> Response {
    match signed_in {
        Some(signed_in) => folder::root(&signed_in, &parameters).await,
        None => welcome(),
    }
}

/// Tells nothing of any drive.
fn welcome() -> Response {
    let body = html! {
        div.card {
            h1 { "A drive of your own" }
            p {
                "This is an Amazon Drive server. Programs that know Amazon Drive can keep files \
                 here, for people who have an account."
            }
            p { a.button.wide href=(SIGN_IN) { "Sign in" } }
        }
    };
    Page::new("Welcome", body).reply(StatusCode::OK)
}

/// The parts a drive has, of which a page shows one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Files,
    Trash,
    Space,
    Programs,
}

impl Part {
    const ALL: [(Self, &'static str, &'static str); 4] = [
        (Self::Files, "/", "Files"),
        (Self::Trash, "/trash", "Trash"),
        (Self::Space, "/space", "Space"),
        (Self::Programs, "/programs", "Programs"),
    ];
}

/// A page of the drive, with the way to its other parts.
fn reply(
    signed_in: &SignedIn,
    part: Part,
    status: StatusCode,
    title: impl Into<String>,
    body: &Markup,
) -> Response {
    let body = html! {
        nav.parts aria-label="Drive" {
            ul {
                @for (other, address, name) in Part::ALL {
                    li { a href=(address) aria-current=[(other == part).then_some("page")] { (name) } }
                }
            }
        }
        (body)
    };
    Page::new(title, body).signed_in(signed_in).reply(status)
}

/// What is asked for is not there, or is another's: that is the same.
fn missing(signed_in: &SignedIn, part: Part, what: &str) -> Response {
    let body = html! {
        h1 { "Not here" }
        p { (what) }
    };
    reply(signed_in, part, StatusCode::NOT_FOUND, "Not here", &body)
}

/// Entries of one page: enough to look through, and read in a moment.
const PAGE: usize = 100;
