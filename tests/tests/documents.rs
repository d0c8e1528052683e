//! What the documents say exists does.

use std::{fs, path::Path};

#[test]
fn resilience_names_faults_and_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let read = |path: &str| fs::read_to_string(root.join(path));
    let text = read("docs/resilience.md").unwrap();
    let faults = read("docs/faults.md").unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| ")).skip(1);
    let mut count = 0;
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let tests = match cells[..] {
            [_, faults_named, _, tests] => {
                for fault in quoted(faults_named) {
                    assert!(faults.contains(&format!("\n### {fault}\n")), "{fault}");
                }
                tests
            }
            ["complaint", _] => continue,
            [_, tests] => tests,
            _ => panic!("neither four cells nor two: {row}"),
        };
        let tests = quoted(tests);
        assert!(!tests.is_empty(), "no test: {row}");
        for test in tests {
            let (file, name) = test.split_once("::").unwrap();
            let sources = [
                format!("tests/tests/{file}.rs"),
                format!("guest/src/tests/{file}.rs"),
                format!("host/src/transfer/tests/{file}.rs"),
            ];
            let found = sources
                .iter()
                .filter_map(|path| read(path).ok())
                .any(|source| source.contains(&format!("fn {name}(")));
            assert!(found, "{test}");
            count += 1;
        }
    }
    assert!(count > 50, "{count}");
}

/// What stands between backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}
