//! The page where a user lets a program in, or not.

use axum::{extract::State, response::Response};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{StatusCode, Uri};
use maud::{Markup, html};
use url::{Host, Url, form_urlencoded::Serializer};

use super::{
    AUTHORIZE, Site,
    page::{self, Page},
    request::Parameters,
    session::{CSRF, Form, SIGN_IN, SignedIn, failed, sign_in_address},
};
use crate::{
    accounts::redirect_matches,
    ids,
    scopes::Scopes,
    store::{Client, Digest, Failure, IssueCode},
};

/// `GET /ap/oa`: asks the user.
pub(super) async fn ask(
    State(site): State<Site>,
    uri: Uri,
    parameters: Parameters,
    signed_in: Option<SignedIn>,
) -> Response {
    let asked = match Asked::check(&site, &parameters).await {
        Ok(asked) => asked,
        Err(refused) => return refused.into_response(),
    };
    match signed_in {
        Some(signed_in) => Page::new("Let a program in", consent(&asked, &parameters, &signed_in))
            .form_target(source(&asked.redirect_uri))
            .signed_in(&signed_in)
            .reply(StatusCode::OK),
        None => {
            let here = uri.path_and_query().map_or("/", |here| here.as_str());
            page::see_other(&sign_in_address(here))
        }
    }
}

/// `POST /ap/oa`: the user has decided. What is asked for is checked once more, since the form
/// has been in other hands.
pub(super) async fn decide(
    State(site): State<Site>,
    signed_in: SignedIn,
    Form(fields): Form,
) -> Response {
    let asked = match Asked::check(&site, &fields).await {
        Ok(asked) => asked,
        Err(refused) => return refused.into_response(),
    };
    if fields.value("decision") != Some("allow") {
        let description = "The user has denied the request";
        return asked.refuse("access_denied", description).into_response();
    }
    let code = ids::code();
    let now = site.clock.now();
    let scopes = asked.scopes.to_string();
    let issue = IssueCode {
        client: asked.client.id,
        account: signed_in.account,
        scopes: scopes.clone(),
        code: ids::digest(&code),
        redirect_uri: asked.redirect_uri.clone(),
        challenge: asked.challenge,
        expires: now + CODE_SECONDS * 1000,
        now,
    };
    match site.accounts().write(issue).await {
        Ok(true) => {}
        Ok(false) => return page::see_other(SIGN_IN),
        Err(error) => return failed(&error),
    }
    let answer = [("code", code.as_str()), ("scope", &scopes)];
    back(&asked.redirect_uri, &answer, asked.state.as_deref())
}

/// A request for leave that can be put to a user.
struct Asked {
    client: Client,
    redirect_uri: String,
    scopes: Scopes,
    state: Option<String>,
    challenge: Option<Digest>,
}

/// One that cannot.
enum Refused {
    /// Nobody is sent anywhere: who knows whose address that is.
    Here(&'static str),
    /// The program is told.
    Back {
        redirect_uri: String,
        state: Option<String>,
        error: &'static str,
        description: &'static str,
    },
    Failed(Failure),
}

impl Asked {
    async fn check(site: &Site, parameters: &Parameters) -> Result<Self, Refused> {
        let id = parameters.value("client_id").unwrap_or_default();
        let client = site.accounts().client(id).await.map_err(Refused::Failed)?;
        let client = client.ok_or(Refused::Here(
            "The program that sent you here is not known to this server. \
             Nothing was shared with it.",
        ))?;
        let redirect_uri = parameters.value("redirect_uri").unwrap_or_default();
        let mut registered = client.redirects.iter();
        if !registered.any(|registered| redirect_matches(registered, redirect_uri)) {
            return Err(Refused::Here(
                "The program that sent you here wants you sent on to an address that is not \
                 registered for it. Nothing was shared with it.",
            ));
        }
        let mut asked = Self {
            client,
            redirect_uri: redirect_uri.to_owned(),
            scopes: Scopes::default(),
            state: parameters.value("state").map(str::to_owned),
            challenge: None,
        };
        match parameters.value("response_type") {
            Some("code") => {}
            Some(_) => {
                let description = "The response type is not supported";
                return Err(asked.refuse("unsupported_response_type", description));
            }
            None => {
                let description = "The request is missing the parameter : response_type";
                return Err(asked.refuse("invalid_request", description));
            }
        }
        match Scopes::parse(parameters.value("scope").unwrap_or_default()) {
            Some(scopes) => asked.scopes = scopes,
            None => {
                let description = "The requested scope is missing, unknown or malformed";
                return Err(asked.refuse("invalid_scope", description));
            }
        }
        let challenge = challenge(
            parameters.value("code_challenge"),
            parameters.value("code_challenge_method"),
        );
        match challenge {
            Ok(challenge) => asked.challenge = challenge,
            Err(description) => return Err(asked.refuse("invalid_request", description)),
        }
        Ok(asked)
    }

    fn refuse(self, error: &'static str, description: &'static str) -> Refused {
        Refused::Back {
            redirect_uri: self.redirect_uri,
            state: self.state,
            error,
            description,
        }
    }
}

impl Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Here(why) => page::message(StatusCode::BAD_REQUEST, "This does not work", why),
            Self::Back {
                redirect_uri,
                state,
                error,
                description,
            } => {
                let answer = [("error", error), ("error_description", description)];
                back(&redirect_uri, &answer, state.as_deref())
            }
            Self::Failed(error) => failed(&error),
        }
    }
}

/// SHA-256 of the verifier that will have to come with the code.
fn challenge(
    challenge: Option<&str>,
    method: Option<&str>,
) -> Result<Option<Digest>, &'static str> {
    let malformed = "The request has an invalid parameter : code_challenge";
    let Some(challenge) = challenge else {
        return match method {
            None => Ok(None),
            Some(_) => Err("The request is missing the parameter : code_challenge"),
        };
    };
    match method {
        Some("S256") => {
            let digest = URL_SAFE_NO_PAD.decode(challenge).map_err(|_| malformed)?;
            Ok(Some(digest.try_into().map_err(|_| malformed)?))
        }
        Some("plain") | None if is_verifier(challenge) => Ok(Some(ids::digest(challenge))),
        Some("plain") | None => Err(malformed),
        Some(_) => Err("The request has an invalid parameter : code_challenge_method"),
    }
}

/// RFC 7636, 4.1.
pub(super) fn is_verifier(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    (43..=128).contains(&text.len()) && text.bytes().all(known)
}

/// Back to the program, with an answer.
fn back(redirect_uri: &str, answer: &[(&str, &str)], state: Option<&str>) -> Response {
    let mut query = Serializer::new(String::new());
    query.extend_pairs(answer);
    if let Some(state) = state {
        query.append_pair("state", state);
    }
    let separator = if redirect_uri.contains('?') { '&' } else { '?' };
    page::see_other(&format!("{redirect_uri}{separator}{}", query.finish()))
}

fn consent(asked: &Asked, parameters: &Parameters, signed_in: &SignedIn) -> Markup {
    let host = Url::parse(&asked.redirect_uri).ok();
    let host = host.as_ref().and_then(Url::host_str).unwrap_or_default();
    html! {
        div.card {
            h1 { "Let “" (asked.client.name) "” in?" }
            p { "It asks to use the drive of " strong { (signed_in.user) } ". It could:" }
            ul {
                @for scope in asked.scopes.iter() {
                    li { (scope.meaning()) }
                }
            }
            p.faint { "Afterwards you are sent on to " (host) "." }
            form method="post" action=(AUTHORIZE) {
                input type="hidden" name=(CSRF) value=(signed_in.csrf);
                @for name in REPEATED {
                    @if let Some(value) = parameters.value(name) {
                        input type="hidden" name=(name) value=(value);
                    }
                }
                div.choice {
                    button type="submit" name="decision" value="allow" { "Allow" }
                    button.quiet type="submit" name="decision" value="deny" { "Deny" }
                }
            }
        }
    }
}

/// The address as a source of a content security policy, which has no form for IPv6.
fn source(redirect_uri: &str) -> String {
    let Ok(url) = Url::parse(redirect_uri) else {
        return String::new();
    };
    match url.host() {
        Some(Host::Ipv6(_)) => format!("{}:", url.scheme()),
        _ => url.origin().ascii_serialization(),
    }
}

/// What the form gives back of what was asked for.
const REPEATED: [&str; 7] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
];

/// A code's life: five minutes, the service's own. It goes from one machine to the next, once.
const CODE_SECONDS: i64 = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_digests_of_verifiers() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let digest = Ok(Some(ids::digest(verifier)));
        // RFC 7636, appendix B.
        let s256 = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert_eq!(challenge(Some(s256), Some("S256")), digest);
        assert_eq!(challenge(Some(verifier), Some("plain")), digest);
        assert_eq!(challenge(Some(verifier), None), digest);
        assert_eq!(challenge(None, None), Ok(None));
        for (text, method) in [
            (None, Some("S256")),
            (Some(s256), Some("s512")),
            (Some("short"), Some("S256")),
            (Some("short"), Some("plain")),
            (Some("="), Some("S256")),
            (Some(""), None),
        ] {
            assert!(challenge(text, method).is_err(), "{text:?} {method:?}");
        }
    }

    #[test]
    fn policy_sources_are_origins() {
        for (uri, expected) in [
            ("http://127.0.0.1:53682/", "http://127.0.0.1:53682"),
            ("https://app.example/back?x", "https://app.example"),
            ("http://[::1]:5/", "http:"),
        ] {
            assert_eq!(source(uri), expected);
        }
    }
}
