//! What kind of content a file has, by its name.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, path::Path};

/// The MIME type that a name's extension stands for, in any case; `None` where it stands
/// for none.
pub fn media_type(name: &[u8]) -> Option<String> {
    let guess = mime_guess::from_path(Path::new(OsStr::from_bytes(name)));
    guess.first_raw().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    #[test]
    fn extension_says_it_in_any_case_and_nothing_else_does() {
        for (name, media_type) in [
            (&b"a.JPG"[..], Some("image/jpeg")),
            (b"notes.tar.txt", Some("text/plain")),
            (b"\xff.pdf", Some("application/pdf")),
            (b"jpg", None),
            (b".jpg", None),
            (b"a.", None),
            (b"a.unknown-to-all", None),
            (b"", None),
        ] {
            let got = super::media_type(name);
            assert_eq!(got.as_deref(), media_type, "{}", name.escape_ascii());
        }
    }
}
