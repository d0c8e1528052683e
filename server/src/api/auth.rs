//! Who is calling: bearer tokens.

use axum::{
    extract::{FromRequestParts, Request, State},
    http::request::Parts,
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Method, StatusCode, header};

use subtle::ConstantTimeEq as _;

use super::{
    METADATA, Service, Site, exchange,
    reply::{ApiError, Result},
};
use crate::{ids, media, scopes::Scopes, store::Content};

/// The program that calls.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// What nodes it makes have as `createdBy`.
    pub(super) name: String,
    /// What it may do.
    pub(super) scopes: Scopes,
    /// Whose drive it uses, if that is not the first.
    pub(super) account: Option<String>,
}

impl Caller {
    /// Refuses the bytes of content that the program has no leave to read.
    pub(super) fn check_read(&self, content: &Content) -> Result<()> {
        match self.may_read(content) {
            true => Ok(()),
            false => Err(insufficient("downloadNode")),
        }
    }

    /// Whether the program may read the bytes of this content.
    pub(super) fn may_read(&self, content: &Content) -> bool {
        self.scopes.may_read(media::category(&content.content_type))
    }

    /// Refuses what the program has no leave to do, as far as that shows in the address.
    fn check(&self, method: &Method, path: &str) -> Result<()> {
        let call = path.strip_prefix(METADATA).unwrap_or_default();
        // Asking what has changed is reading, though it is a POST.
        let reading = matches!(*method, Method::GET | Method::HEAD) || call == "changes";
        match reading {
            // Where things are, and how much there is, is told to whoever may do anything.
            true if call.starts_with("account/") => {
                match self.scopes.may_list() || self.scopes.may_write() {
                    true => Ok(()),
                    false => Err(insufficient("readAccount")),
                }
            }
            true if self.scopes.may_list() => Ok(()),
            true => Err(insufficient("readNode")),
            false if self.scopes.may_write() => Ok(()),
            false => Err(insufficient("writeNode")),
        }
    }
}

/// The drive that the call is about: that of the account its token belongs to.
#[derive(Clone)]
pub(super) struct Drive(pub(super) Service);

impl<S: Sync> FromRequestParts<S> for Drive {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        // Missing only on a route that `require` does not guard.
        let drive = parts.extensions.get::<Self>().cloned();
        drive.ok_or_else(|| ApiError::empty(StatusCode::UNAUTHORIZED))
    }
}

/// The token of the process this server runs in. It is nowhere but in its memory.
pub(crate) struct Local {
    token: String,
    digest: [u8; 32],
}

impl Local {
    pub(crate) fn new() -> Self {
        let token = ids::access_token();
        let digest = ids::digest(&token);
        Self { token, digest }
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }
}

/// Lets a request with a valid token through, as far as the token goes, and tells it its
/// [`Caller`] and [`Drive`].
pub(super) async fn require(
    State(site): State<Site>,
    mut request: Request,
    next: Next,
) -> Response {
    let known = caller(&site, request.headers()).await;
    let known = known.and_then(|(caller, drive)| {
        caller.check(request.method(), request.uri().path())?;
        Ok((caller, drive))
    });
    match known {
        Ok((caller, drive)) => {
            exchange::set_client(request.extensions(), &caller.name);
            request.extensions_mut().insert(caller);
            request.extensions_mut().insert(Drive(drive));
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

async fn caller(site: &Site, headers: &HeaderMap) -> Result<(Caller, Service)> {
    let Some(token) = bearer(headers) else {
        return Err(ApiError::empty(StatusCode::UNAUTHORIZED));
    };
    let digest = ids::digest(token);
    if digest.ct_eq(&site.local.digest).into() {
        let caller = Caller {
            name: LOCAL_NAME.to_owned(),
            scopes: Scopes::drive(),
            account: None,
        };
        return Ok((caller, site.drives.first().clone()));
    }
    let access = site.accounts().access(digest).await?;
    // A token that is not known may be one that expired long ago.
    let Some(access) = access.filter(|access| access.expires > site.clock.now()) else {
        return Err(ApiError::new(StatusCode::UNAUTHORIZED, "Token has expired"));
    };
    let drive = site.drives.by_id(&access.account, access.is_first).await;
    let caller = Caller {
        name: access.client_name,
        scopes: Scopes::parse(&access.scopes).unwrap_or_default(),
        account: (!access.is_first).then_some(access.account),
    };
    Ok((caller, drive.map_err(|error| ApiError::internal(&error))?))
}

/// In the words of the one refusal of the kind that is known of the service.
fn insufficient(operation: &str) -> ApiError {
    let message = format!("Insufficient permissions granted for operation: {operation}");
    ApiError::short(StatusCode::FORBIDDEN, message)
}

/// The token a request presents.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// `createdBy` of nodes made by the process this server runs in.
const LOCAL_NAME: &str = "acd";
