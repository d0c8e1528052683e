//! `about` and `link`: an account, and a way to one of its files for others.

use std::ffi::OsStr;

use super::{
    App,
    exit::Exit,
    failure::Failure,
    output::{Output, Stop},
};
use crate::{
    component::{Account, NodePath, Remote, Target},
    place::Place,
};

/// `about`, in rclone's layout.
pub(super) async fn about(app: &App, place: &OsStr) -> Result<Exit, Stop> {
    let (remote, _, _) = on_remote(app.open(place).await?)?;
    let account = remote.account().await?;
    let mut output = Output::new();
    let text = match app.console.is_json() {
        true => format!("{}\n", json(&account)),
        false => lines(&account),
    };
    output.write(text.as_bytes())?;
    output.flush()?;
    Ok(Exit::Done)
}

/// `link`. The link goes to standard output and nowhere else.
pub(super) async fn link(app: &App, place: &OsStr) -> Result<Exit, Stop> {
    let (remote, path, shown) = on_remote(app.open(place).await?)?;
    if shown.starts_with("embedded:") {
        let what = "a link to the embedded drive would end with this command".to_owned();
        return Err(Failure::new("no-server", Exit::Usage, what)
            .hint("start `acd serve` on its data, and ask that for a link")
            .into());
    }
    let link = remote.temporary_link(Target::Path(path)).await?;
    let mut output = Output::new();
    let text = match app.console.is_json() {
        true => format!(
            "{}\n",
            serde_json::json!({ "Path": shown, "Link": link.expose() })
        ),
        false => format!("{}\n", link.expose()),
    };
    output.write(text.as_bytes())?;
    output.flush()?;
    Ok(Exit::Done)
}

/// The remote that a place is on; local places have nothing of the kind.
pub(super) fn on_remote(place: Place) -> Result<(Remote, NodePath, String), Failure> {
    match place {
        Place::Remote {
            remote,
            path,
            shown,
        } => Ok((remote, path, shown)),
        Place::Local(_) => Err(Failure::new(
            "not-a-remote",
            Exit::Usage,
            format!("not on a remote: {}", place.shown()),
        )
        .hint("a remote is named with a colon, as in embedded: or drive:folder")),
    }
}

/// Bytes of all files; where that is not told, what is missing of the quota.
fn used(account: &Account) -> Option<u64> {
    let totals = account.usage.iter().filter_map(|it| it.total.bytes);
    let missing = || account.quota?.checked_sub(account.available?);
    totals.reduce(u64::saturating_add).or_else(missing)
}

fn lines(account: &Account) -> String {
    let mut text = String::new();
    let figures = [
        ("Total:", account.quota),
        ("Used:", used(account)),
        ("Free:", account.available),
    ];
    for (name, bytes) in figures {
        if let Some(bytes) = bytes {
            text.push_str(&format!("{name:<9}{}\n", amount(bytes)));
        }
    }
    text
}

/// rclone's way to write sizes: `17 GiB`, `7.444 GiB`.
fn amount(bytes: u64) -> String {
    let mut unit = 1_u64;
    let mut name = "B";
    for larger in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
        if bytes / 1024 < unit {
            break;
        }
        unit *= 1024;
        name = larger;
    }
    if bytes.is_multiple_of(unit) {
        return format!("{} {name}", bytes / unit);
    }
    // Thousandths, and no float: sizes of this kind are exact to the last digit shown.
    let thousandths = u128::from(bytes) * 1000 / u128::from(unit);
    format!("{}.{:03} {name}", thousandths / 1000, thousandths % 1000)
}

/// With the keys of rclone's `about --json`, and what the service tells beside them.
fn json(account: &Account) -> serde_json::Value {
    let mut value = serde_json::json!({});
    let figures = [
        ("total", account.quota),
        ("used", used(account)),
        ("free", account.available),
    ];
    for (key, bytes) in figures {
        if let Some(bytes) = bytes {
            value[key] = bytes.into();
        }
    }
    if let Some(status) = &account.status {
        value["status"] = status.as_str().into();
    }
    for usage in &account.usage {
        let amount = |amount: &crate::component::Amount| serde_json::json!({ "bytes": amount.bytes, "count": amount.count });
        value["usage"][&usage.category] = serde_json::json!({
            "total": amount(&usage.total),
            "billable": amount(&usage.billable),
        });
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::{Amount, Usage};

    #[test]
    fn sizes_have_rclones_layout() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1_048_575, "1023.999 KiB"),
            (17 << 30, "17 GiB"),
            (7_993_453_766, "7.444 GiB"),
            (109_951_162_777_600, "100 TiB"),
            (u64::MAX, "15.999 EiB"),
        ] {
            assert_eq!(amount(bytes), text);
        }
    }

    #[test]
    fn what_is_not_told_is_left_out() {
        assert_eq!(lines(&Account::default()), "");
        assert_eq!(json(&Account::default()).to_string(), "{}");
        let quota = Account {
            quota: Some(5 << 30),
            available: Some(4 << 30),
            ..Account::default()
        };
        assert_eq!(
            lines(&quota),
            "Total:   5 GiB\nUsed:    1 GiB\nFree:    4 GiB\n"
        );
        let usage = |category: &str, bytes| Usage {
            category: category.to_owned(),
            total: Amount {
                bytes,
                count: Some(1),
            },
            billable: Amount::default(),
        };
        let told = Account {
            usage: vec![
                usage("doc", Some(7)),
                usage("photo", None),
                usage("video", Some(5)),
            ],
            ..quota
        };
        assert_eq!(used(&told), Some(12));
        let value = json(&told);
        assert_eq!(value["usage"]["doc"]["total"]["count"], 1);
        assert_eq!(
            (&value["total"], &value["used"]),
            (&(5_u64 << 30).into(), &12.into())
        );
    }
}
