//! `serve fsck`: whether a server's data are whole.

use amazon_drive_server::{Finding, FsckEvent, FsckOptions, FsckSummary, fsck};

use super::Pace;
use crate::cli::{
    App,
    args::ServeFsck,
    exit::Exit,
    log::one_line,
    output::{Output, Stop},
};

pub(super) async fn run(app: &App, asked: &ServeFsck) -> Result<Exit, Stop> {
    let mut options = FsckOptions::default();
    options.quick = asked.quick;
    options.repair = asked.repair;
    let json = app.options.json;
    let mut pace = Pace::new(app);
    let mut output = Output::new();
    let mut written = Ok(());
    let summary = fsck(&asked.data_dir, options, |event| match event {
        FsckEvent::Found(finding) if written.is_ok() => {
            let text = match json {
                true => object(finding).to_string(),
                false => line(finding),
            };
            written = output
                .write(format!("{text}\n").as_bytes())
                .and_then(|()| output.show());
        }
        FsckEvent::Progress(summary) => pace.line(app, || total(summary)),
        _ => {}
    })
    .await?;
    written?;
    let text = match json {
        true => serde_json::json!({
            "drives": summary.drives,
            "nodes": summary.nodes,
            "contents": summary.contents,
            "bytes": summary.bytes,
            "findings": summary.findings,
            "repaired": summary.repaired,
        })
        .to_string(),
        false => total(&summary),
    };
    output.write(format!("{text}\n").as_bytes())?;
    output.flush()?;
    Ok(match summary.is_clean() {
        true => Exit::Done,
        false => Exit::Lasting,
    })
}

/// One line: what is wrong, where, and what to do.
fn line(finding: &Finding) -> String {
    let mut line = finding.problem.code().to_owned();
    if let Some(account) = &finding.account {
        line += &format!(" account {account}");
    }
    if let Some(node) = &finding.node {
        line += &format!(" node {node}");
    }
    if let Some(path) = &finding.path {
        line += &format!(" {path}");
    }
    let what_next = match finding.repaired {
        true => "repaired",
        false => finding.problem.advice(),
    };
    line += &format!(": {}; {what_next}", finding.detail);
    one_line(&line).into_owned()
}

fn object(finding: &Finding) -> serde_json::Value {
    serde_json::json!({
        "finding": finding.problem.code(),
        "account": finding.account,
        "node": finding.node,
        "path": finding.path,
        "detail": finding.detail,
        "advice": finding.problem.advice(),
        "repairable": finding.problem.is_repairable(),
        "repaired": finding.repaired,
    })
}

fn total(summary: &FsckSummary) -> String {
    format!(
        "{} nodes, {} contents ({} bytes read): {} wrong, {} of them repaired",
        summary.nodes, summary.contents, summary.bytes, summary.findings, summary.repaired
    )
}
