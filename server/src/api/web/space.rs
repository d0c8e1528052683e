//! How much there is, by what it is.

use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};

use super::{Part, reply, show};
use crate::{
    api::session::{SignedIn, failed},
    store::Category,
};

/// `GET /space`.
pub(super) async fn show(signed_in: SignedIn) -> Response {
    let used = match signed_in.drive.store.usage().await {
        Ok(used) => used,
        Err(error) => return failed(&error),
    };
    let body = html! {
        h1 { "Space" }
        (table(&used))
        p.faint { "Files in the trash are counted as well." }
    };
    reply(&signed_in, Part::Space, StatusCode::OK, "Space", &body)
}

fn table(used: &[Category]) -> Markup {
    let bytes = used.iter().map(|category| category.bytes).sum::<i64>();
    let count = used.iter().map(|category| category.count).sum::<i64>();
    html! {
        p.total {
            strong { (show::size(bytes)) } " in "
            (show::grouped(count)) " " (show::plural(count, "file", "files"))
        }
        @if bytes > 0 { (bar(used, bytes)) }
        table.nodes.space {
            thead {
                tr {
                    th scope="col" { "Kind" }
                    th.number scope="col" { "Files" }
                    th.number scope="col" { "Size" }
                    th.number scope="col" { "Share" }
                }
            }
            tbody {
                @for (key, title) in KINDS {
                    @let found = used.iter().find(|category| category.name == key);
                    @let (part, files) = found.map_or((0, 0), |found| (found.bytes, found.count));
                    tr {
                        th scope="row" { span class={ "swatch " (key) } {} (title) }
                        td.number { (show::grouped(files)) }
                        td.number { (show::size(part)) }
                        td.number { (share(part, bytes)) }
                    }
                }
            }
        }
    }
}

/// What the table says in numbers. Widths are attributes of a drawing: the page allows no
/// style in elements.
fn bar(used: &[Category], bytes: i64) -> Markup {
    let mut begin = 0.0;
    let parts = KINDS.iter().map(|(key, _)| {
        let found = used.iter().find(|category| category.name == *key);
        let width = found.map_or(0.0, |found| found.bytes as f64 / bytes as f64 * 100.0);
        let part = (*key, begin, width);
        begin += width;
        part
    });
    html! {
        svg.bar aria-hidden="true" width="100%" height="16" {
            @for (key, begin, width) in parts {
                rect class=(key) x={ (format!("{begin:.3}")) "%" } y="0"
                    width={ (format!("{width:.3}")) "%" } height="16" {}
            }
        }
    }
}

fn share(part: i64, whole: i64) -> String {
    let share = if whole > 0 {
        part as f64 / whole as f64 * 100.0
    } else {
        0.0
    };
    match part > 0 && share < 1.0 {
        true => "< 1 %".to_owned(),
        false => format!("{share:.0} %"),
    }
}

/// The service's categories, and what they are called here.
const KINDS: [(&str, &str); 4] = [
    ("photo", "Pictures"),
    ("video", "Videos"),
    ("doc", "Documents"),
    ("other", "Other files"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_shares_are_not_nothing() {
        for (part, whole, text) in [
            (0, 0, "0 %"),
            (0, 10, "0 %"),
            (1, 1000, "< 1 %"),
            (1, 3, "33 %"),
            (10, 10, "100 %"),
        ] {
            assert_eq!(share(part, whole), text, "{part} of {whole}");
        }
    }
}
