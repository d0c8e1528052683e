//! What the listing commands print: rclone's formats.

use acd_tests::{Acd, Tree};

fn stored() -> Acd {
    let acd = Acd::new();
    Tree::write(&acd.path("a"), "top", "1234567");
    Tree::write(&acd.path("a"), "sub/inner", "1");
    Tree::write(&acd.path("a"), "sub/deep/x\ty", "22");
    acd.ok(["copy", "a", "embedded:a"]);
    acd
}

fn lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn ls_prints_sizes_and_paths_of_files_below() {
    let acd = stored();
    for place in ["embedded:a", "a", "embedded:a/", "./a"] {
        let run = acd.ok(["ls", place]);
        assert_eq!(
            lines(&run.stdout),
            [
                "        1 sub/inner",
                "        2 sub/deep/x␉y",
                "        7 top"
            ],
            "{run}"
        );
    }
    assert_eq!(acd.ok(["ls", "embedded:a/top"]).stdout, "        7 top\n");
}

#[test]
fn lsd_prints_the_folders_of_one_level() {
    let acd = stored();
    for place in ["embedded:a", "a"] {
        let run = acd.ok(["lsd", place]);
        let line = run.stdout.trim_end_matches('\n');
        // Size, time, count, name: `          -1 2016-04-02 09:11:47        -1 sub`.
        assert!(line.starts_with("          -1 20"), "{run}");
        assert!(line.ends_with("        -1 sub"), "{run}");
        assert_eq!(
            line.len(),
            "          -1 2016-04-02 09:11:47        -1 sub".len(),
            "{run}"
        );
    }
}

#[test]
fn json_has_a_record_for_each_entry() {
    let acd = stored();
    let run = acd.ok(["ls", "embedded:a", "--json"]);
    let mut paths = Vec::new();
    for line in run.stdout.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        for key in ["Path", "Name", "Size", "ModTime", "IsDir", "ID"] {
            assert!(!entry[key].is_null(), "{key} in {line}");
        }
        if entry["Path"] == "top" {
            assert_eq!(entry["Hashes"]["md5"], "fcea920f7412b5da7be0cf42b8c93759");
        }
        paths.push(entry["Path"].as_str().unwrap().to_owned());
    }
    paths.sort();
    assert_eq!(paths, ["sub/deep/x␉y", "sub/inner", "top"]);
}

#[test]
fn cat_joins_files_and_takes_ranges() {
    let acd = stored();
    for place in ["embedded:a", "a"] {
        let (top, inner) = (format!("{place}/top"), format!("{place}/sub/inner"));
        assert_eq!(acd.ok(["cat", &top, &inner]).stdout, "12345671");
        assert_eq!(
            acd.ok(["cat", &top, "--offset", "2", "--count", "3"])
                .stdout,
            "345"
        );
        assert_eq!(acd.ok(["cat", &top, "--head", "2"]).stdout, "12");
    }
}

#[test]
fn version_needs_nothing_and_leaves_nothing() {
    let acd = Acd::new();
    let run = acd.ok(["version"]);
    assert!(
        run.stdout
            .starts_with(concat!("acd v", env!("CARGO_PKG_VERSION"), "\n")),
        "{run}"
    );
    assert_eq!(std::fs::read_dir(acd.path("")).unwrap().count(), 0);
}

#[test]
fn closed_pipe_is_a_clean_end() {
    use std::process::Stdio;
    let acd = Acd::new();
    for number in 0..3000 {
        Tree::write(&acd.path("many"), format!("{number:0200}"), "");
    }
    let mut child = acd
        .command(["ls", "many"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success(), "{:?}", output.status);
}
