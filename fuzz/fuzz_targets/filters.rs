//! The filter language: no text makes the parser panic, and what it takes becomes SQL that
//! SQLite takes.

#![no_main]

use amazon_drive_server::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| fuzzing::filter(text));
