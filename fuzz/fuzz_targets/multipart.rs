//! Uploads: no body makes the reader panic, and what it reads does not depend on how the
//! body was cut into pieces. The first byte says how.

#![no_main]

use amazon_drive_server::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some((piece, body)) = bytes.split_first() {
        fuzzing::multipart(body, usize::from(*piece) + 1);
    }
});
