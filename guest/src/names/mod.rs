//! Names: bytes on one side, service names (Unicode text) on the other.
//!
//! The encoding is that of rclone 1.60's `lib/encoder`, with the same flags under the
//! same names. A character in an [`Encoding`]'s set is replaced by a look-alike (`/` by
//! `／`), a look-alike that was there before is quoted with `‛` (U+201B), and a byte that
//! is not UTF-8 is *spelled*: `‛` and two hexadecimal digits.
//!
//! # Raw names
//!
//! rclone encodes from its standard form, not from the bytes on disk, and on the way from
//! disk it reads `‛‛` as a quoted `‛`, `‛␀` as a quoted `␀` and `␀` as NUL. What arrives
//! at the service for a local name depends on that step as much as on the encoding, so
//! it is part of [`encode`] and [`decode`] here: a *raw* name is a name as it stands on a
//! disk, and gets the service name rclone gives it.
//!
//! # Every name comes back
//!
//! For every encoding that has [`Encoding::INVALID_UTF8`], `decode(encode(raw)) == raw`
//! for all bytes. rclone's own way does not promise that. [`decode`] shows people just
//! what rclone shows for every service name; [`encode`] departs from rclone only for names
//! that rclone loses or mixes up, and then spells out the bytes at fault, which no name
//! of rclone's own does and which rclone reads as the same characters:
//!
//! | in the raw name | rclone | here | else the same as |
//! |---|---|---|---|
//! | `‛` that quotes neither `‛` nor `␀` | cannot copy it | `‛E2‛80‛9B` | `‛‛` |
//! | NUL, which no local name has | `␀` | `‛00` | `␀` |
//! | `‛‛` before a last space, period or control that is replaced | reads a quoted look-alike back | spells the last, `‛‛‛20` | a quoted look-alike |
//! | `.．` or `．.`, by `Dot` and `LeftPeriod` or `RightPeriod` | `．．` | spells the last, `．‛2E` | `..` |
//!
//! In return [`decode`] takes spelled bytes as they are, without the step to rclone's
//! local form. Without `InvalidUtf8` there is no spelling: the result is rclone's, and a
//! byte that is not UTF-8 becomes U+FFFD, as in rclone's JSON.

mod chars;
mod decode;
mod encode;
mod encoding;

pub use decode::{decode, from_display};
pub use encode::{display, encode};
pub use encoding::Encoding;

#[cfg(test)]
mod tests;
