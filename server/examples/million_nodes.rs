//! What a folder of very many nodes costs: fills a new data directory by SQL, then lists the
//! folder page by page over HTTP, and says how long first and later pages took.
//!
//! ```sh
//! cargo run --release -p amazon-drive-server --example million_nodes -- FOLDER 1000000
//! ```

#![expect(clippy::print_stdout, reason = "it is what this is for")]

use std::{
    error::Error,
    path::Path,
    time::{Duration, Instant},
};

use amazon_drive_server::{Options, Server};
use reqwest::Client;
use serde_json::Value;
use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("which folder?")?;
    let nodes: u64 = arguments.next().ok_or("how many nodes?")?.parse()?;
    let folder = Path::new(&folder);
    let options = Options::new(folder, ([127, 0, 0, 1], 0).into());
    // Makes the database.
    drop(Server::bind(options.clone()).await?);
    let start = Instant::now();
    fill(folder, nodes).await?;
    println!("filled in {:?}", start.elapsed());
    let server = Server::bind(options).await?;
    let (endpoint, token) = (server.endpoint(), server.local_token());
    let serving = tokio::spawn(server.serve(std::future::pending()));
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_proxy().build()?;
    for sort in ["", r#"["name ASC"]"#] {
        let times = list(&client, &endpoint, &token, sort).await?;
        report(sort, times);
    }
    serving.abort();
    Ok(())
}

/// Puts a folder `big` of this many files into an empty drive.
async fn fill(folder: &Path, nodes: u64) -> Result<(), Box<dyn Error>> {
    let file = SqliteConnectOptions::new().filename(folder.join("metadata.sqlite3"));
    let mut connection = file.connect().await?;
    let sql = format!(
        "BEGIN;
         INSERT INTO nodes (id, kind, name, created, modified, created_by)
             VALUES ('big', 'FOLDER', 'big', 0, 0, 'x');
         INSERT INTO edges (parent, child, folded, live)
             SELECT id, 'big', 'big', 1 FROM nodes WHERE is_root = 1;
         WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {nodes})
         INSERT INTO nodes (id, kind, name, created, modified, created_by,
                            object, content_version, size, md5, content_type)
             SELECT 'n' || hex(randomblob(10)), 'FILE', 'file ' || n * 7919 % {nodes}, 0, 0, 'x',
                    lower(hex(randomblob(16))), 1, 10, lower(hex(randomblob(16))), 'text/plain'
             FROM number;
         INSERT INTO edges (parent, child, folded, live)
             SELECT 'big', id, name || '-' || seq, 1 FROM nodes WHERE kind = 'FILE';
         COMMIT"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(())
}

/// How long each page took.
async fn list(
    client: &Client,
    endpoint: &str,
    token: &str,
    sort: &str,
) -> Result<Vec<Duration>, Box<dyn Error>> {
    let mut times = Vec::new();
    let mut next = String::new();
    loop {
        let address = format!("{endpoint}nodes/big/children");
        let query = [("startToken", next.as_str()), ("sort", sort)];
        let address = url::Url::parse_with_params(&address, query)?;
        let start = Instant::now();
        let reply = client.get(address).bearer_auth(token).send().await?;
        let page: Value = serde_json::from_slice(&reply.bytes().await?)?;
        times.push(start.elapsed());
        match page["nextToken"].as_str() {
            Some(token) => next = token.to_owned(),
            None => return Ok(times),
        }
    }
}

fn report(sort: &str, times: Vec<Duration>) {
    let first = times[0];
    let mut later = times;
    later.sort();
    println!(
        "sort {sort:?}: {} pages; first {first:?}, median {:?}, slowest {:?}, all {:?}",
        later.len(),
        later[later.len() / 2],
        later[later.len() - 1],
        later.iter().sum::<Duration>(),
    );
}
