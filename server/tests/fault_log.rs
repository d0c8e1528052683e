//! What the log says of faults. In a process of its own: a log is one for all threads.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io,
    sync::{Arc, Mutex},
};

use amazon_drive_server::{Options, Server};

/// What was logged so far.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn log_has_each_fault_with_the_id_of_its_request() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().unwrap();
    let options = Options::new(dir.path(), ([127, 0, 0, 1], 0).into());
    let options = options.with_faults(["503,count=1"]).unwrap();
    let server = Server::bind(options).await.unwrap();
    let (url, token) = (
        format!("{}account/info", server.endpoint()),
        server.local_token(),
    );
    tokio::spawn(server.serve(std::future::pending()));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut ids = Vec::new();
    for status in [503, 200] {
        let reply = client.get(&url).bearer_auth(&token).send().await.unwrap();
        assert_eq!(reply.status(), status);
        ids.push(
            reply.headers()["x-amzn-requestid"]
                .to_str()
                .unwrap()
                .to_owned(),
        );
    }
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let applied: Vec<_> = text
        .lines()
        .filter(|line| line.contains("amazon_drive_server::fault") && line.contains("applied"))
        .collect();
    assert_eq!(applied.len(), 1, "{text}");
    assert!(applied[0].contains("503,count=1"), "{text}");
    assert!(applied[0].contains(&ids[0]), "{text}");
    assert!(!applied[0].contains(&ids[1]), "{text}");
    assert!(!text.contains(&token));
}
