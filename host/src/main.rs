//! The program `acd`.

use std::process::ExitCode;

fn main() -> ExitCode {
    acd::cli::main()
}
