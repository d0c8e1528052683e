//! Pages for people: one layout, one stylesheet, no script.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use maud::{DOCTYPE, Markup, html};

use super::session::{CSRF, SIGN_OUT, SignedIn};

/// A page, on its way.
pub(super) struct Page {
    title: String,
    body: Markup,
    menu: Option<Markup>,
    form_target: Option<String>,
}

impl Page {
    pub(super) fn new(title: impl Into<String>, body: Markup) -> Self {
        Self {
            title: title.into(),
            body,
            menu: None,
            form_target: None,
        }
    }

    /// Says who is signed in, with a way out.
    pub(super) fn signed_in(mut self, signed_in: &SignedIn) -> Self {
        self.menu = Some(html! {
            span.user { (signed_in.user) }
            form method="post" action=(SIGN_OUT) {
                input type="hidden" name=(CSRF) value=(signed_in.csrf);
                button.quiet type="submit" { "Sign out" }
            }
        });
        self
    }

    /// Another place that a form of the page may lead to, as a source of a content security
    /// policy: browsers check where a form's reply redirects to as well.
    pub(super) fn form_target(mut self, source: impl Into<String>) -> Self {
        self.form_target = Some(source.into());
        self
    }

    pub(super) fn reply(self, status: StatusCode) -> Response {
        let page = layout(&self.title, &self.body, self.menu.as_ref());
        let mut response = (status, page.into_string()).into_response();
        let headers = response.headers_mut();
        secure(headers, self.form_target.as_deref());
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        response
    }
}

/// A page that only says something.
pub(super) fn message(status: StatusCode, title: &str, text: &str) -> Response {
    let body = html! {
        h1 { (title) }
        p { (text) }
    };
    Page::new(title, body).reply(status)
}

/// On to another page. A form's reply is read with GET.
pub(super) fn see_other(location: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    secure(response.headers_mut(), None);
    match HeaderValue::from_str(location) {
        Ok(location) => {
            response.headers_mut().insert(header::LOCATION, location);
            response
        }
        Err(_) => message(
            StatusCode::BAD_REQUEST,
            "Bad address",
            "The address to go on to has characters that no address has.",
        ),
    }
}

/// The whole page around its content, which begins with the page's one `h1`.
fn layout(title: &str, body: &Markup, menu: Option<&Markup>) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Drive" }
                link rel="stylesheet" href=(STYLE);
            }
            body {
                header {
                    a.brand href="/" { "Drive" }
                    @if let Some(menu) = menu {
                        div.menu { (menu) }
                    }
                }
                main { (body) }
            }
        }
    }
}

/// The stylesheet of all pages.
pub(super) async fn style() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=3600"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, include_str!("../../assets/style.css")).into_response()
}

/// What keeps a page from being framed, guessed at, kept, or made to run anything.
fn secure(headers: &mut HeaderMap, form_target: Option<&str>) {
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'{}{}; \
         frame-ancestors 'none'; base-uri 'none'",
        if form_target.is_some() { " " } else { "" },
        form_target.unwrap_or_default(),
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    let fixed: [(HeaderName, &str); 3] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Path of the stylesheet.
pub(super) const STYLE: &str = "/style.css";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_is_escaped() {
        let name = "<script>alert('x')</script>\"";
        let page = layout(name, &html! { h1 { (name) } a href=(name) { "x" } }, None).into_string();
        assert!(!page.contains("<script"), "{page}");
        assert_eq!(page.matches("&lt;script&gt;").count(), 3, "{page}");
        assert!(page.contains("&quot;"), "{page}");
    }

    #[test]
    fn page_allows_nothing_but_its_style_and_forms() {
        let page = Page::new("x", html! {}).form_target("http://127.0.0.1:1");
        let reply = page.reply(StatusCode::OK);
        assert_eq!(
            reply.headers()["content-security-policy"],
            "default-src 'none'; style-src 'self'; img-src 'self'; \
             form-action 'self' http://127.0.0.1:1; frame-ancestors 'none'; base-uri 'none'"
        );
        assert_eq!(reply.headers()["cache-control"], "no-store");
    }
}
