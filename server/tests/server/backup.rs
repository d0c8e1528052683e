//! Backups: whole, made beside running servers, and never half there.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use amazon_drive_server::{
    BackupSummary, Error, Finding, FsckEvent, FsckOptions, Server, backup, fsck,
};

use crate::common::{Running, files, options, start, until};

/// All that a check finds wrong.
pub(crate) async fn findings(dir: &Path, options: FsckOptions) -> Vec<Finding> {
    let mut found = Vec::new();
    let summary = fsck(dir, options, |event| {
        if let FsckEvent::Found(finding) = event {
            found.push(finding.clone());
        }
    });
    let summary = summary.await.unwrap();
    assert_eq!(summary.findings, found.len() as u64);
    found
}

async fn make(from: &Path, to: &Path) -> Result<BackupSummary, Error> {
    backup(from, to, |_| {}).await
}

#[tokio::test]
async fn backup_of_a_running_server_is_a_drive_of_its_own() {
    let (dir, server) = start().await;
    let root = server.root().await;
    let folder = server.folder("folder", &root).await;
    let file = server.file("file", &folder, b"content").await;
    let gone = server.file("gone", &folder, b"trash").await;
    server
        .call(reqwest::Method::PUT, &format!("trash/{gone}"), None)
        .await
        .expect(200);
    let into = tempfile::tempdir().unwrap();
    let to = into.path().join("a/backup");
    let summary = make(dir.path(), &to).await.unwrap();
    assert_eq!((summary.drives, summary.nodes), (1, 4));
    assert_eq!(summary.copied + summary.linked, 2);
    assert_eq!(findings(&to, FsckOptions::default()).await, []);
    for path in files(&to) {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
    }
    assert_eq!(
        fs::metadata(&to).unwrap().permissions().mode() & 0o777,
        0o700
    );
    assert!(!to.join("client.conf").exists());
    // What happens to the drive from now on is none of the copy's business.
    server.overwrite(&file, b"new").await.expect(200);
    server.stop().await;
    let copy = Running::start(options(&to)).await;
    assert_eq!(copy.root().await, root);
    assert_eq!(copy.children(&folder).await, ["file"]);
    assert_eq!(
        copy.download(&file, None).await.expect(200).body,
        b"content"
    );
    assert_eq!(copy.download(&gone, None).await.expect(200).body, b"trash");
}

#[tokio::test]
async fn tokens_stay_good_and_none_is_in_the_copy() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::bind(options(dir.path())).await.unwrap();
    let config = fs::read_to_string(server.client_config().await.unwrap()).unwrap();
    let token = config.split("\"access_token\":\"").nth(1).unwrap();
    let token = token.split('"').next().unwrap();
    let to = dir.path().with_extension("backup");
    make(dir.path(), &to).await.unwrap();
    for path in files(&to) {
        let bytes = fs::read(&path).unwrap();
        let found = bytes
            .windows(token.len())
            .any(|part| part == token.as_bytes());
        assert!(!found, "{}", path.display());
    }
    let mut copy = Running::start(options(&to)).await;
    copy.token = token.to_owned();
    copy.get("nodes").await.expect(200);
    copy.stop().await;
    fs::remove_dir_all(&to).unwrap();
}

#[tokio::test]
async fn second_backup_takes_over_what_has_not_changed() {
    let (dir, server) = start().await;
    let root = server.root().await;
    server.file("same", &root, b"same").await;
    let changed = server.file("changed", &root, b"old").await;
    let to = dir.path().with_extension("backup");
    make(dir.path(), &to).await.unwrap();
    let inodes = || {
        let mut found: Vec<_> = files(&to.join("content"))
            .iter()
            .map(|path| {
                (
                    path.file_name().unwrap().to_owned(),
                    fs::metadata(path).unwrap().ino(),
                )
            })
            .collect();
        found.sort();
        found
    };
    let before = inodes();
    server.overwrite(&changed, b"new").await.expect(200);
    server.file("more", &root, b"more").await;
    let summary = make(dir.path(), &to).await.unwrap();
    assert_eq!((summary.kept, summary.linked + summary.copied), (1, 2));
    let after = inodes();
    assert_eq!(after.len(), 3);
    assert_eq!(
        before.iter().filter(|entry| after.contains(entry)).count(),
        1
    );
    assert_eq!(findings(&to, FsckOptions::default()).await, []);
    let beside: Vec<_> = fs::read_dir(to.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains(&*to.file_name().unwrap().to_string_lossy()))
        .collect();
    assert_eq!(beside.len(), 1, "{beside:?}");
    fs::remove_dir_all(&to).unwrap();
}

#[tokio::test]
async fn backup_during_uploads_and_overwrites_has_no_holes() {
    let (dir, server) = start().await;
    let root = server.root().await;
    let mut ids = Vec::new();
    for number in 0..8 {
        ids.push(server.file(&format!("f{number}"), &root, b"first").await);
    }
    let done = AtomicBool::new(false);
    let overwriting = ids.iter().enumerate().map(|(number, id)| {
        let (server, done, root) = (&server, &done, &root);
        async move {
            let mut round = 0;
            while !done.load(Ordering::Relaxed) {
                let content = format!("{number} {round}");
                server.overwrite(id, content.as_bytes()).await.expect(200);
                let name = format!("new {number} {round}");
                server.file(&name, root, content.as_bytes()).await;
                round += 1;
            }
            round
        }
    });
    let to = dir.path().with_extension("backup");
    let backups = async {
        for _ in 0..5 {
            make(dir.path(), &to).await.unwrap();
            assert_eq!(findings(&to, FsckOptions::default()).await, []);
            assert_eq!(findings(dir.path(), FsckOptions::default()).await, []);
        }
        done.store(true, Ordering::Relaxed);
    };
    let (rounds, ()) = futures::join!(futures::future::join_all(overwriting), backups);
    assert!(rounds.iter().all(|rounds| *rounds > 0), "{rounds:?}");
    // What the backups held up is deleted after all.
    let content = dir.path().join("content");
    let left = 8 + rounds.iter().sum::<usize>();
    until("replaced contents are deleted", || {
        files(&content).len() == left
    })
    .await;
    fs::remove_dir_all(&to).unwrap();
}

#[tokio::test]
async fn deletions_wait_while_a_backup_needs_the_contents() {
    let (dir, server) = start().await;
    let root = server.root().await;
    let file = server.file("f", &root, b"old").await;
    let content = dir.path().join("content");
    let hold = fs::File::open(&content).unwrap();
    hold.lock().unwrap();
    server.overwrite(&file, b"new").await.expect(200);
    server.file("g", &root, b"other").await;
    // Stopping does not wait for it.
    server.stop().await;
    assert_eq!(files(&content).len(), 3);
    drop(hold);
    let server = Running::start(options(dir.path())).await;
    until("the old content is deleted", || files(&content).len() == 2).await;
    server.stop().await;
}

#[tokio::test]
async fn backup_goes_only_where_it_harms_nothing() {
    let (dir, server) = start().await;
    server.file("f", &server.root().await, b"x").await;
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("mine"), "").unwrap();
    let link = other.path().join("link");
    std::os::unix::fs::symlink(dir.path(), &link).unwrap();
    for to in [
        dir.path().to_owned(),
        dir.path().join("backup"),
        dir.path().join("content/../backup"),
        link,
        dir.path().parent().unwrap().to_owned(),
        other.path().to_owned(),
        other.path().join("mine"),
    ] {
        let error = make(dir.path(), &to).await.unwrap_err();
        assert!(
            matches!(error, Error::BackupTarget { .. }),
            "{}: {error:?}",
            to.display()
        );
    }
    assert_eq!(files(other.path()).len() - files(dir.path()).len(), 1);
    let error = make(&dir.path().join("none"), &other.path().join("to"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NoDrive { .. }), "{error:?}");
    // One that a server has used since is somebody's drive.
    let to = other.path().join("backup");
    make(dir.path(), &to).await.unwrap();
    Running::start(options(&to)).await.stop().await;
    let error = make(dir.path(), &to).await.unwrap_err();
    assert!(matches!(error, Error::BackupTarget { .. }), "{error:?}");
    let empty = other.path().join("empty");
    fs::create_dir(&empty).unwrap();
    make(dir.path(), &empty).await.unwrap();
    assert_eq!(findings(&empty, FsckOptions::default()).await, []);
}

#[tokio::test]
async fn failed_backup_leaves_the_one_before() {
    let (dir, server) = start().await;
    let root = server.root().await;
    server.file("f", &root, b"first").await;
    let to = dir.path().with_extension("backup");
    make(dir.path(), &to).await.unwrap();
    server.file("g", &root, b"second").await;
    let lost = files(&dir.path().join("content"))
        .into_iter()
        .find(|path| fs::read(path).unwrap() == b"second")
        .unwrap();
    fs::remove_file(&lost).unwrap();
    let content = dir.path().join("content");
    let aside = dir.path().join("aside");
    fs::rename(&content, &aside).unwrap();
    let error = make(dir.path(), &to.with_extension("other"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::LostContent { .. }), "{error:?}");
    fs::rename(&aside, &content).unwrap();
    let error = make(dir.path(), &to).await.unwrap_err();
    let Error::LostContent { object, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(lost.file_name().unwrap().to_str(), Some(object.as_str()));
    assert_eq!(files(&to.join("content")).len(), 1);
    assert_eq!(findings(&to, FsckOptions::default()).await, []);
    // What it did is of use to the next, and goes with it.
    fs::write(&lost, "second").unwrap();
    make(dir.path(), &to).await.unwrap();
    assert_eq!(files(&to.join("content")).len(), 2);
    let name = to.file_name().unwrap().to_str().unwrap();
    assert!(!to.with_file_name(format!(".{name}.partial")).exists());
    let other = to.with_extension("other");
    assert!(!other.exists());
    let other = other.file_name().unwrap().to_str().unwrap();
    fs::remove_dir_all(to.with_file_name(format!(".{other}.partial"))).unwrap();
    fs::remove_dir_all(&to).unwrap();
}

#[tokio::test]
async fn further_accounts_are_copied_and_checked_as_well() {
    let dir = tempfile::tempdir().unwrap();
    Running::start(options(dir.path())).await.stop().await;
    let account = dir.path().join("accounts/alice");
    let server = Running::start(options(&account)).await;
    let file = server.file("f", &server.root().await, b"hers").await;
    let to = dir.path().with_extension("backup");
    let summary = make(dir.path(), &to).await.unwrap();
    assert_eq!((summary.drives, summary.nodes), (2, 3));
    let copy = Running::start(options(&to.join("accounts/alice"))).await;
    assert_eq!(copy.download(&file, None).await.expect(200).body, b"hers");
    copy.stop().await;
    for object in files(&account.join("content")) {
        fs::remove_file(object).unwrap();
    }
    let found = findings(dir.path(), FsckOptions::default()).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].account.as_deref(), Some("alice"));
    assert_eq!(found[0].path.as_deref(), Some("/f"));
    fs::remove_dir_all(&to).unwrap();
}
