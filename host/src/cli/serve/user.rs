//! `serve user`: who may sign in.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};

use amazon_drive_server::{Accounts, User};
use serde_json::json;
use tracing::Level;

use super::used;
use crate::{
    cli::{
        App,
        args::UserCommand,
        exit::Exit,
        failure::Failure,
        output::{Output, Stop},
    },
    files::shown,
};

pub(super) async fn run(app: &App, command: &UserCommand) -> Result<Exit, Stop> {
    let data_dir = match command {
        UserCommand::Add(user) => &user.data.data_dir,
        UserCommand::List(data) => &data.data_dir,
        UserCommand::Passwd(user) | UserCommand::Remove(user) => &user.data.data_dir,
    };
    if !matches!(command, UserCommand::Add(_)) {
        used(data_dir)?;
    }
    let accounts = Accounts::open(data_dir).await?;
    let outcome = change(app, &accounts, command).await;
    accounts.close().await;
    outcome?;
    Ok(Exit::Done)
}

async fn change(app: &App, accounts: &Accounts, command: &UserCommand) -> Result<(), Stop> {
    match command {
        UserCommand::Add(asked) => {
            let added = accounts.add_user(&asked.name, &new_password()?).await?;
            let place = shown(&added.drive);
            let line = format!("{} can sign in; their drive is in {place}", added.name);
            app.console_line(Level::WARN, &line);
        }
        UserCommand::List(_) => {
            let mut output = Output::new();
            for user in accounts.users().await? {
                output.write(line(app, &user).as_bytes())?;
            }
            output.flush()?;
        }
        UserCommand::Passwd(asked) => {
            // Before anybody is asked for anything.
            let name = asked.name.to_lowercase();
            if !accounts.users().await?.iter().any(|user| user.name == name) {
                return Err(amazon_drive_server::Error::NoSuchUser { name }.into());
            }
            let changed = accounts.set_password(&asked.name, &new_password()?).await?;
            let line = format!(
                "{} has a new password, and must sign in again",
                changed.name
            );
            app.console_line(Level::WARN, &line);
        }
        UserCommand::Remove(asked) => {
            let removed = accounts.remove_user(&asked.name).await?;
            let place = shown(&removed.drive);
            let line = format!(
                "{} and the programs they let in are shut out; their files are still in {place}",
                removed.name
            );
            app.console_line(Level::WARN, &line);
        }
    }
    Ok(())
}

fn line(app: &App, user: &User) -> String {
    match app.options.json {
        true => {
            let user = json!({
                "name": user.name,
                "userId": user.user_id,
                "drive": user.drive.to_string_lossy(),
            });
            format!("{user}\n")
        }
        false => format!("{}\t{}\t{}\n", user.name, user.user_id, shown(&user.drive)),
    }
}

/// A password: typed twice and not shown, or the first line of standard input.
fn new_password() -> Result<String, Failure> {
    let unread = |error: io::Error| {
        Failure::new("no-password", Exit::Usage, "no password can be read")
            .because(error)
            .hint("type it, or give it as a line of standard input")
    };
    if !io::stdin().is_terminal() {
        let mut line = String::new();
        let mut input = io::stdin().lock().take(LONGEST_LINE);
        input.read_line(&mut line).map_err(unread)?;
        if line.is_empty() {
            return Err(unread(io::ErrorKind::UnexpectedEof.into()));
        }
        let password = line.strip_suffix('\n').unwrap_or(&line);
        return Ok(password.strip_suffix('\r').unwrap_or(password).to_owned());
    }
    let password = rpassword::prompt_password("Password: ").map_err(unread)?;
    let again = rpassword::prompt_password("Once more: ").map_err(unread)?;
    match password == again {
        true => Ok(password),
        false => Err(
            Failure::new("bad-password", Exit::Usage, "the two are not the same")
                .hint("nothing was changed: try again"),
        ),
    }
}

/// Bytes read of a line: more than any password has.
const LONGEST_LINE: u64 = 4096;
