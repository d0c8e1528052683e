//! Lists the top folder of a drive with nothing but the sandboxed backend component.
//!
//! ```console
//! $ acd serve --data-dir data &
//! $ cargo run --example list http://127.0.0.1:8181/drive/v1/ TOKEN
//! ```
//!
//! `TOKEN` is an access token, such as the `access_token` in the `client.conf` that
//! `acd serve` writes into its data directory.

use std::{env, error::Error, sync::Arc};

use acd::{
    auth::Fixed,
    component::{Access, Component, Kind, Origin, RemoteOptions, Sandbox, Settings, Target},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(endpoint), Some(token)) = (arguments.next(), arguments.next()) else {
        return Err("usage: list ENDPOINT TOKEN".into());
    };

    // All that the component can do: reach this one server, with this token. Even that
    // it does not see; what it puts into its requests is a placeholder.
    let settings = Settings {
        origins: vec![Origin::parse(&endpoint, Access::Credentials)?],
        credentials: Some(Arc::new(Fixed::new(token))),
        ..Settings::default()
    };
    let sandbox = Sandbox::start(&Component::built_in()?, settings)?;
    let remote = sandbox.connect(RemoteOptions::new(endpoint)).await?;

    let mut listing = remote.list(Target::Path(Vec::new())).await?;
    while let Some(nodes) = listing.next_batch().await? {
        let names = nodes.iter().map(|node| node.name.clone()).collect();
        // Raw names are bytes; these are made for people.
        let names = sandbox.display(names).await?;
        for (node, name) in nodes.iter().zip(names) {
            print(node.size, node.kind, &name);
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is what the example is for")]
fn print(size: Option<u64>, kind: Kind, name: &str) {
    match kind {
        Kind::Folder => println!("{:>9} {name}/", ""),
        Kind::File => println!("{:>9} {name}", size.unwrap_or(0)),
    }
}
