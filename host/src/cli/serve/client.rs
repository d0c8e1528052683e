//! `serve client`: which programs may ask users for leave.

use amazon_drive_server::{Accounts, Program};
use serde_json::{Value, json};
use tracing::Level;

use super::used;
use crate::cli::{
    App,
    args::ClientCommand,
    exit::Exit,
    output::{Output, Stop},
};

pub(super) async fn run(app: &App, command: &ClientCommand) -> Result<Exit, Stop> {
    let data_dir = match command {
        ClientCommand::Add(client) => &client.data.data_dir,
        ClientCommand::List(data) => {
            used(&data.data_dir)?;
            &data.data_dir
        }
    };
    let accounts = Accounts::open(data_dir).await?;
    let outcome = change(app, &accounts, command).await;
    accounts.close().await;
    outcome?;
    Ok(Exit::Done)
}

async fn change(app: &App, accounts: &Accounts, command: &ClientCommand) -> Result<(), Stop> {
    let mut output = Output::new();
    match command {
        ClientCommand::Add(asked) => {
            let (program, secret) = accounts
                .add_program(&asked.name, &asked.redirect_uris)
                .await?;
            let text = match app.options.json {
                true => {
                    let mut shown = json(&program);
                    shown["clientSecret"] = secret.reveal().into();
                    shown.to_string()
                }
                false => format!(
                    "client_id = {}\nclient_secret = {}",
                    program.client_id,
                    secret.reveal()
                ),
            };
            output.write(format!("{text}\n").as_bytes())?;
            let line = "keep the secret: it is not shown again";
            app.console_line(Level::WARN, line);
        }
        ClientCommand::List(_) => {
            for program in accounts.programs().await? {
                let text = match app.options.json {
                    true => json(&program).to_string(),
                    false => format!(
                        "{}\t{}\t{}",
                        program.client_id,
                        program.name.escape_debug(),
                        program.redirect_uris.join(" ")
                    ),
                };
                output.write(format!("{text}\n").as_bytes())?;
            }
        }
    }
    output.flush()
}

fn json(program: &Program) -> Value {
    json!({
        "clientId": program.client_id,
        "name": program.name,
        "redirectUris": program.redirect_uris,
    })
}
