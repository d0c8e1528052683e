//! The table as people read it.

use std::fmt::Write;

use super::table::{COMMON_KEYS, Definition, Group, RULES};

/// One line for each fault.
pub fn list() -> String {
    let mut text = String::new();
    let width = RULES
        .iter()
        .map(|rule| rule.form().len())
        .max()
        .unwrap_or(0);
    for group in Group::ALL {
        let _ = writeln!(
            text,
            "{}{}:",
            if text.is_empty() { "" } else { "\n" },
            group.title()
        );
        for rule in of(group) {
            let _ = writeln!(text, "  {:width$}  {}", rule.form(), rule.summary);
            for parameter in rule.argument.iter().chain(rule.keys) {
                let name = match parameter.key {
                    "" => parameter.placeholder.to_owned(),
                    key => format!("{key}={}", parameter.placeholder),
                };
                let default = parameter
                    .default
                    .map_or(String::new(), |default| format!(" [default: {default}]"));
                let _ = writeln!(
                    text,
                    "  {:width$}    {name}: {}{default}",
                    "", parameter.meaning
                );
            }
        }
    }
    let _ = writeln!(text, "\nKeys of every rule, as in 429,count=3,path=/nodes:");
    for (key, meaning) in COMMON_KEYS {
        let _ = writeln!(text, "  {key:width$}  {meaning}");
    }
    text
}

/// The document `docs/faults.md`.
pub fn markdown() -> String {
    let mut text = INTRODUCTION.to_owned();
    text.push_str("\n| key | meaning |\n|---|---|\n");
    for (key, meaning) in COMMON_KEYS {
        let _ = writeln!(text, "| `{key}` | {meaning} |");
    }
    text.push_str(COUNTING);
    text.push_str(MANY);
    text.push_str("\n## All faults\n\n| fault | what the server does |\n|---|---|\n");
    for rule in RULES {
        let anchor = rule.name;
        let _ = writeln!(
            text,
            "| [`{}`](#{anchor}) | {} |",
            rule.form(),
            rule.summary
        );
    }
    for group in Group::ALL {
        let _ = write!(text, "\n## {}\n", group.title());
        for rule in of(group) {
            describe(&mut text, rule);
        }
    }
    text.push_str(COMPLAINTS);
    for (complaint, recipe) in RECIPES {
        let _ = writeln!(text, "| {complaint} | `{recipe}` |");
    }
    text
}

fn of(group: Group) -> impl Iterator<Item = &'static Definition> {
    RULES.iter().filter(move |rule| rule.group == group)
}

fn describe(text: &mut String, rule: &Definition) {
    let mut summary = rule.summary.to_owned();
    if let Some(first) = summary.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let _ = write!(text, "\n### {}\n\n{summary}.\n\n", rule.name);
    let _ = writeln!(text, "- Applies to {}.", rule.scope.words());
    for parameter in rule.argument.iter().chain(rule.keys) {
        let name = match parameter.key {
            "" => format!("={}", parameter.placeholder),
            key => format!(",{key}={}", parameter.placeholder),
        };
        let default = match parameter.default {
            Some(default) => format!(" Default: `{default}`."),
            None => String::new(),
        };
        let _ = writeln!(
            text,
            "- `{name}`: {}: {}.{default}",
            parameter.meaning,
            parameter.kind.allowed()
        );
    }
    if let Some(count) = rule.count {
        let _ = writeln!(text, "- `,count=`: {count} if not given.");
    }
    let _ = writeln!(text, "- The service: {}", rule.service);
    let _ = writeln!(text, "- Known from: {}.", rule.source);
    let (example, effect) = rule.example;
    let _ = writeln!(
        text,
        "\n```sh\nacd serve --data-dir drive --fault '{example}'\n```\n"
    );
    let stop = if effect.ends_with('?') { "" } else { "." };
    let _ = writeln!(text, "For a client: {effect}{stop}");
}

const INTRODUCTION: &str = "# Faults

<!-- Made of the table in server/src/fault/table.rs by
     cargo run -p acd -- serve --list-faults --markdown > docs/faults.md -->

Amazon Drive had its moods, and its clients suffered from them. The server has all that are known, each under a name,
so that the author of a client can have any of them at will, and have it again tomorrow.

A fault is switched on by a rule:

```sh
acd serve --data-dir drive --fault '429,count=3' --fault 'late-upload=20,size>=1MiB'
acd serve --data-dir drive --fault-file night.txt   # a rule a line; lines with # are comments
acd serve --list-faults                             # all there are
```

or while the server runs, from this machine only, if it was started with `--fault-admin`. It then writes a token into
`fault-admin.token` in its data directory, readable by its owner alone:

```sh
curl -H \"Authorization: Bearer $(cat drive/fault-admin.token)\" http://127.0.0.1:8181/admin/faults
curl -H \"Authorization: Bearer $(cat drive/fault-admin.token)\" -d '{\"rule\":\"429,count=3\"}' http://127.0.0.1:8181/admin/faults
curl -H \"Authorization: Bearer $(cat drive/fault-admin.token)\" -X DELETE http://127.0.0.1:8181/admin/faults/1
curl -H \"Authorization: Bearer $(cat drive/fault-admin.token)\" -X DELETE http://127.0.0.1:8181/admin/faults
```

The first lists the rules with how often each could have applied (`matched`) and did (`hits`); the others add one, remove
one by its number or all of a name, and remove all. Or from Rust:

```rust,ignore
let server = Server::bind(Options::new(dir, address).with_faults([\"429,count=3\"])?).await?;
let faults = server.faults();
faults.add(\"late-upload=20\")?;
assert_eq!(faults.hits(\"429\"), 0);
```

## Rules

`NAME[=ARGUMENT][,key=value...]`. Texts have no commas. A name, argument, key or value that is not known is an error, and
the server does not start. Of several rules that could answer a call, the first does. Besides its own keys every rule
has these:
";

const COUNTING: &str = "
What is counted is what a rule could have been applied to: `download-redirect=1MiB,after=1` passes over small files
without counting them. The log has each application under `amazon_drive_server::fault`, with the id that the reply to
the request has in `x-amzn-RequestId`.

Times are those of the server's clock. Only what is about waiting itself (`latency`, `stall-...`) really waits.
";

const MANY: &str = "
## What a rule leaves behind

- An upload that is to appear late is stored at once, and waits for its time as a whole. A server that is asked to stop
  commits all of these at once: nothing is lost and nothing is waited for. One that is killed loses them, as every upload
  that was not acknowledged; the next start removes their content.
- An upload that never appears is removed at once.
- If the name was taken, or the folder gone, when a late upload was to appear, it does not; the log says so.
- While there are rules, replies are not compressed: `cut-reply=100` is about the 100 bytes of the reply itself.
- All else is in replies only. With its rule removed, it is gone.
- Without rules, a request costs one look at a number more.

Below, \"reference\" and a number is a section of the reference of the API that this server was made after, with how
surely a thing is known: by a log, by documents, or by clients that relied on it.
";

const COMPLAINTS: &str = "
## Complaints, and how to have them

What users of Amazon Drive clients reported most, as rules for `--fault`:

| complaint | rules |
|---|---|
";

/// What users suffered from, and the rules by which it can be had.
const RECIPES: &[(&str, &str)] = &[
    (
        "\"Upload failed\" after the last byte; the file turns up later and is sent again",
        "late-upload=20,size>=1MiB",
    ),
    (
        "The same, and it never turns up",
        "late-upload=never,count=1",
    ),
    (
        "Files above 49 GiB are retried for ever",
        "late-upload=never,size>=49GiB",
    ),
    (
        "An overwrite takes the old content for the new, or throws the file away",
        "late-overwrite=30,status=504",
    ),
    ("Somebody else's files", "account-swap"),
    (
        "The metadata cache is silently incomplete",
        "changes-cut=5000,count=1",
    ),
    (
        "Sync deletes what it could not list",
        "500,count=1,after=2,path=*/children",
    ),
    ("Moved files are seen twice, or trashed", "moved-twice=30"),
    (
        "Truncated files under their final name",
        "cut-reply=1MiB,path=*/content",
    ),
    ("\"Token has expired\" in long walks", "short-tokens=5"),
    (
        "\"Token has expired\" after hours of sending",
        "401-after-upload,count=1",
    ),
    ("401 for everything, for days", "401-storm=1h"),
    ("Thousands of 409 NAME_ALREADY_EXISTS", "listing-lag=30"),
    ("Throttled", "rate-limit=10"),
    ("The app was blocked", "429"),
    (
        "Pages expire or come back partial",
        "next-token-expired,after=3,count=1",
    ),
    (
        "Files above 10 GiB cannot be downloaded",
        "download-refused",
    ),
    ("\"Only one auth mechanism allowed\"", "download-redirect=0"),
    (
        "Transfers stall and never time out",
        "stall-reply=1MiB,path=*/content",
    ),
    (
        "Nodes without name, size or proper parents crash the client",
        "nameless-node",
    ),
    ("Slow start, slow small files", "latency=100ms"),
    (
        "A 403 about signatures right after the login",
        "403-credential,count=1",
    ),
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{super::parse, *};

    #[test]
    fn document_is_what_the_table_makes() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/faults.md");
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == markdown(),
            "docs/faults.md is not what the table of faults makes. To make it anew:\n    \
             cargo run -p acd -- serve --list-faults --markdown > docs/faults.md"
        );
    }

    #[test]
    fn list_has_every_fault_and_key_on_a_line() {
        let list = list();
        for rule in RULES {
            let line = list
                .lines()
                .find(|line| line.trim_start().starts_with(&rule.form()));
            assert!(
                line.is_some_and(|line| line.ends_with(rule.summary)),
                "{}",
                rule.name
            );
        }
        for (key, _) in COMMON_KEYS {
            assert!(list.contains(key), "{key}");
        }
    }

    #[test]
    fn recipes_are_rules() {
        for (_, recipe) in RECIPES {
            parse::rule(1, recipe).unwrap();
        }
    }
}
