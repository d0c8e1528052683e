//! The program starts. Everything else it does is tested in the package `acd-tests`, which
//! uses the program that cargo builds for this test.

use std::process::Command;

#[test]
fn program_tells_its_version_and_its_component() {
    let output = Command::new(env!("CARGO_BIN_EXE_acd"))
        .arg("version")
        .output()
        .unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with(concat!("acd v", env!("CARGO_PKG_VERSION"))),
        "{text}"
    );
    assert!(
        text.contains(&acd::component::BUILT_IN_SHA256[..12]),
        "{text}"
    );
}
