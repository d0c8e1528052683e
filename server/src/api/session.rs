//! Who sits at the browser: signing in and out, and the proof that a form is our own.

use std::net::IpAddr;

use axum::{
    Extension,
    extract::{FromRequest, FromRequestParts, OptionalFromRequestParts, Request, State},
    http::request::Parts,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use maud::{Markup, html};
use subtle::ConstantTimeEq as _;

use super::{
    Service, Site, base,
    base::{LocalAddress, Peer},
    exchange,
    page::{self, Page},
    request::{self, Parameters},
};
use crate::{
    accounts::LONGEST_NAME,
    ids,
    store::{Account, EndSession, Failure, NewSession},
};

/// The user at the browser. As an extractor it sends others to the sign-in page; as `Option`
/// it lets them through.
pub(super) struct SignedIn {
    /// What they sign in with.
    pub(super) user: String,
    /// `amzn1.account.…`.
    pub(super) account: String,
    /// Their drive.
    pub(super) drive: Service,
    /// What every form must send along, as the hidden field [`CSRF`].
    pub(super) csrf: String,
}

/// The fields of a form that one of our own pages sent, from the browser that got the page.
/// Every handler of a POST takes its fields this way.
pub(super) struct Form(pub(super) Parameters);

impl SignedIn {
    async fn find(parts: &Parts, site: &Site) -> Result<Option<Self>, Response> {
        let Some(session) = cookie(&parts.headers, SESSION) else {
            return Ok(None);
        };
        let found = site
            .accounts()
            .session(ids::digest(session), site.clock.now())
            .await
            .map_err(|error| failed(&error))?;
        let Some(account) = found else {
            return Ok(None);
        };
        exchange::set_client(&parts.extensions, "browser");
        let drive = site.drives.of(&account).await;
        Ok(Some(Self {
            user: account.name.unwrap_or_default(),
            account: account.id,
            drive: drive.map_err(|error| failed(&error))?,
            csrf: csrf(session),
        }))
    }
}

impl FromRequestParts<Site> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Response> {
        let found = Self::find(parts, site).await?;
        found.ok_or_else(|| {
            // What a form said is lost; its page can be asked for again.
            let here = match parts.method {
                Method::GET => parts.uri.path_and_query().map_or("/", |here| here.as_str()),
                _ => "/",
            };
            page::see_other(&sign_in_address(here))
        })
    }
}

impl OptionalFromRequestParts<Site> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Option<Self>, Response> {
        Self::find(parts, site).await
    }
}

impl FromRequest<Site> for Form {
    type Rejection = Response;

    async fn from_request(request: Request, _: &Site) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        if !is_same_site(&parts) {
            return Err(foreign());
        }
        let fields = request::bytes(body).await;
        let fields = Parameters::parse(&fields.map_err(|error| error.into_response())?);
        let sent = fields.value(CSRF).unwrap_or_default();
        // One who is signed in has one token only: a visitor's cookie is easier to plant.
        let known = cookie(&parts.headers, SESSION).or_else(|| cookie(&parts.headers, VISITOR));
        let is_ours =
            known.is_some_and(|known| csrf(known).as_bytes().ct_eq(sent.as_bytes()).into());
        match is_ours {
            true => Ok(Self(fields)),
            false => Err(foreign()),
        }
    }
}

/// `GET /signin?next=PATH`.
pub(super) async fn sign_in_page(
    signed_in: Option<SignedIn>,
    parameters: Parameters,
    headers: HeaderMap,
    Extension(LocalAddress(local)): Extension<LocalAddress>,
) -> Response {
    let next = next(&parameters);
    if signed_in.is_some() {
        return page::see_other(next);
    }
    // A page that is open already must stay good.
    let known = cookie(&headers, VISITOR).filter(|visitor| visitor.len() == 64);
    let visitor = known.map_or_else(ids::browser, str::to_owned);
    let form = sign_in_form(&csrf(&visitor), "", next, None);
    let mut reply = Page::new("Sign in", form).reply(StatusCode::OK);
    let secure = local.is_secure();
    set_cookie(&mut reply, VISITOR, &visitor, VISIT_SECONDS, secure);
    // One that has ended: this page's token is the visitor's.
    if cookie(&headers, SESSION).is_some() {
        set_cookie(&mut reply, SESSION, "", 0, secure);
    }
    reply
}

/// `POST /signin`.
pub(super) async fn sign_in(
    State(site): State<Site>,
    Extension(LocalAddress(local)): Extension<LocalAddress>,
    Extension(Peer(peer)): Extension<Peer>,
    Form(fields): Form,
) -> Response {
    let name = fields.value("name").unwrap_or_default().trim();
    let password = fields.value("password").unwrap_or_default();
    let next = next(&fields);
    let again = |status, problem: &str| {
        let token = fields.value(CSRF).unwrap_or_default();
        let form = sign_in_form(token, name, next, Some(problem));
        Page::new("Sign in", form).reply(status)
    };
    let account = match check(&site, name, password, peer.ip()).await {
        Ok(account) => account,
        Err(Denied::Wrong) => {
            return again(StatusCode::UNAUTHORIZED, WRONG);
        }
        Err(Denied::Wait(seconds)) => {
            let problem = format!("Too many attempts. Please wait {seconds} s.");
            let mut reply = again(StatusCode::TOO_MANY_REQUESTS, &problem);
            reply
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            return reply;
        }
        Err(Denied::Failed(error)) => return failed(&error),
    };
    let session = ids::browser();
    let now = site.clock.now();
    let new = NewSession {
        session: ids::digest(&session),
        account: account.id,
        password: account.password,
        expires: now + SESSION_SECONDS * 1000,
        now,
    };
    match site.accounts().write(new).await {
        Ok(true) => {}
        Ok(false) => return again(StatusCode::UNAUTHORIZED, WRONG),
        Err(error) => return failed(&error),
    }
    let mut reply = page::see_other(next);
    let secure = local.is_secure();
    set_cookie(&mut reply, SESSION, &session, SESSION_SECONDS, secure);
    set_cookie(&mut reply, VISITOR, "", 0, secure);
    reply
}

/// `POST /signout`.
pub(super) async fn sign_out(
    State(site): State<Site>,
    Extension(LocalAddress(local)): Extension<LocalAddress>,
    headers: HeaderMap,
    Form(_): Form,
) -> Response {
    if let Some(session) = cookie(&headers, SESSION) {
        let end = EndSession {
            session: ids::digest(session),
        };
        if let Err(error) = site.accounts().write(end).await {
            return failed(&error);
        }
    }
    let mut reply = page::see_other(SIGN_IN);
    set_cookie(&mut reply, SESSION, "", 0, local.is_secure());
    reply
}

enum Denied {
    Wrong,
    /// Seconds.
    Wait(u64),
    Failed(Failure),
}

async fn check(site: &Site, name: &str, password: &str, peer: IpAddr) -> Result<Account, Denied> {
    // No user has such a name, and attempts are remembered by it.
    if name.len() > LONGEST_NAME {
        return Err(Denied::Wrong);
    }
    let name = name.to_lowercase();
    let attempt = site.throttle.attempt(&name, peer, site.clock.now());
    attempt.map_err(|wait| Denied::Wait(wait.as_millis().div_ceil(1000) as u64))?;
    let account = site.accounts().user(&name).await.map_err(Denied::Failed)?;
    let hash = account
        .as_ref()
        .and_then(|account| account.password.as_deref());
    match (site.passwords.verify(password, hash).await, account) {
        (true, Some(account)) => {
            site.throttle.succeeded(&name, peer);
            Ok(account)
        }
        _ => {
            tracing::warn!(target: "amazon_drive_server", %peer, "sign-in failed");
            Err(Denied::Wrong)
        }
    }
}

fn sign_in_form(csrf: &str, name: &str, next: &str, problem: Option<&str>) -> Markup {
    html! {
        div.card {
            h1 { "Sign in" }
            @if let Some(problem) = problem {
                p.bad role="alert" { (problem) }
            }
            form method="post" action=(SIGN_IN) {
                input type="hidden" name=(CSRF) value=(csrf);
                input type="hidden" name="next" value=(next);
                label for="name" { "User name" }
                input id="name" name="name" value=(name) required autocomplete="username"
                    autocapitalize="none" spellcheck="false" autofocus[name.is_empty()];
                label for="password" { "Password" }
                input id="password" name="password" type="password" required
                    autocomplete="current-password" autofocus[!name.is_empty()];
                button.wide type="submit" { "Sign in" }
            }
        }
    }
}

/// Where to go after signing in: a place of this server and never another, whatever a link
/// that led here says.
fn next(parameters: &Parameters) -> &str {
    let next = parameters.value("next").unwrap_or_default();
    let is_ours = next.starts_with('/')
        && !next.starts_with("//")
        && next
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    match is_ours {
        true => next,
        false => "/",
    }
}

/// The sign-in page's address, to come back `here` afterwards.
pub(super) fn sign_in_address(here: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("next", here);
    format!("{SIGN_IN}?{}", query.finish())
}

/// The value of a cookie. Of several the first counts, which browsers take from the longest
/// path.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).into_iter();
    all.filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find(|(found, value)| *found == name && !value.is_empty())
        .map(|(_, value)| value)
}

fn set_cookie(reply: &mut Response, name: &str, value: &str, seconds: i64, secure: bool) {
    let secure = if secure { "; Secure" } else { "" };
    let cookie =
        format!("{name}={value}; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Lax{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        reply.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

/// The token for the forms of this browser: nobody can tell it who does not know the cookie.
fn csrf(cookie: &str) -> String {
    hex::encode(ids::digest(&format!("form {cookie}")))
}

/// Whether nothing says that another site has sent this. Our pages send no referrer, and for
/// that browsers write `Origin: null`.
fn is_same_site(parts: &Parts) -> bool {
    let text = |name| {
        parts
            .headers
            .get(name)
            .map(|value: &HeaderValue| value.to_str())
    };
    let site = match text("sec-fetch-site") {
        None => true,
        Some(site) => matches!(site, Ok("same-origin" | "none")),
    };
    let origin = match text("origin") {
        None | Some(Ok("null")) => true,
        Some(Err(_)) => false,
        Some(Ok(origin)) => {
            let ours = parts.extensions.get::<LocalAddress>();
            ours.is_some_and(|LocalAddress(local)| {
                base::url(&parts.headers, local).eq_ignore_ascii_case(origin)
            })
        }
    };
    site && origin
}

fn foreign() -> Response {
    page::message(
        StatusCode::FORBIDDEN,
        "Not sent",
        "This form was too old, or not one of this server's own. Nothing was changed. \
         Please go back, load the page again, and send it once more.",
    )
}

/// Something is wrong with the server: the log has it, the user need not.
pub(super) fn failed(error: &dyn std::error::Error) -> Response {
    let cause = error.source().map(tracing::field::display);
    tracing::error!(target: "amazon_drive_server", %error, cause, "request failed");
    page::message(
        StatusCode::INTERNAL_SERVER_ERROR,
        "Something went wrong",
        "The server could not do this. Its log says why.",
    )
}

/// What is said of unknown users and wrong passwords alike.
const WRONG: &str = "The name or the password is wrong.";

/// Path of the sign-in page.
pub(super) const SIGN_IN: &str = "/signin";

/// Path of the form that signs out.
pub(super) const SIGN_OUT: &str = "/signout";

/// The field of every form that shows it is our own.
pub(super) const CSRF: &str = "csrf";

/// The cookie of a browser that is signed in.
const SESSION: &str = "acd_session";

/// The cookie of one that is about to.
const VISITOR: &str = "acd_visitor";

/// A session's life: a week.
const SESSION_SECONDS: i64 = 7 * 24 * 60 * 60;

/// A sign-in page stays good for a day.
const VISIT_SECONDS: i64 = 24 * 60 * 60;
