//! `serve backup`: a server's data, copied.

use amazon_drive_server::{BackupSummary, backup};

use super::Pace;
use crate::cli::{
    App,
    args::ServeBackup,
    exit::Exit,
    output::{Output, Stop},
};

pub(super) async fn run(app: &App, asked: &ServeBackup) -> Result<Exit, Stop> {
    let mut pace = Pace::new(app);
    let summary = backup(&asked.data_dir, &asked.to, |summary| {
        pace.line(app, || line(summary));
    })
    .await?;
    let mut output = Output::new();
    let text = match app.options.json {
        true => serde_json::json!({
            "drives": summary.drives,
            "nodes": summary.nodes,
            "copied": summary.copied,
            "linked": summary.linked,
            "kept": summary.kept,
            "copiedBytes": summary.copied_bytes,
        })
        .to_string(),
        false => line(&summary),
    };
    output.write(format!("{text}\n").as_bytes())?;
    output.flush()?;
    Ok(Exit::Done)
}

fn line(summary: &BackupSummary) -> String {
    format!(
        "{} nodes; contents: {} copied ({} bytes), {} linked, {} there already",
        summary.nodes, summary.copied, summary.copied_bytes, summary.linked, summary.kept
    )
}
