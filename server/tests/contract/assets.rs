//! Sections 7.3 and 11 of the reference: pictures, made small.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, RgbImage};
use reqwest::Method;
use serde_json::json;

use crate::{
    drive::{Drive, Reply, id, send},
    shape::assert_node,
};

contract![
    thumbnail_fits_the_box_and_is_never_larger,
    thumbnails_are_of_pictures_only,
    odd_boxes_are_clean,
    pictures_have_their_size,
    assets_come_only_when_asked_for,
];

fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let picture = RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 7]));
    DynamicImage::from(picture)
        .write_to(&mut bytes, format)
        .unwrap();
    bytes.into_inner()
}

async fn boxed(drive: &Drive, file: &str, view_box: &str) -> Reply {
    let path = format!("nodes/{file}/content?viewBox={view_box}");
    send(drive.content(Method::GET, &path)).await
}

async fn thumbnail_fits_the_box_and_is_never_larger(drive: &Drive, home: &str) {
    for (name, format) in [
        ("a.png", ImageFormat::Png),
        ("a.jpg", ImageFormat::Jpeg),
        ("a.bmp", ImageFormat::Bmp),
        ("a.tiff", ImageFormat::Tiff),
    ] {
        let content = picture(200, 100, format);
        let file = drive.file(name, home, &content).await;
        for (view_box, size) in [
            ("50", (50, 25)),
            ("100", (100, 50)),
            ("200", (200, 100)),
            ("1000", (200, 100)),
        ] {
            let reply = boxed(drive, &file, view_box).await.expect(200);
            assert!(
                reply.header("Content-Type").starts_with("image/"),
                "{reply:?}"
            );
            let shown = image::load_from_memory(&reply.body).unwrap();
            assert_eq!((shown.width(), shown.height()), size, "{name} {view_box}");
        }
        // Without a box it is the file itself.
        assert!(drive.bytes(&file).await == content);
    }
}

async fn thumbnails_are_of_pictures_only(drive: &Drive, home: &str) {
    let text = drive.file("a.txt", home, b"text").await;
    boxed(drive, &text, "64").await.refused(400);
    let empty = drive.file("empty.png", home, b"").await;
    boxed(drive, &empty, "64").await.refused(400);
    let broken = drive
        .file("broken.png", home, &picture(9, 9, ImageFormat::Png)[..40])
        .await;
    boxed(drive, &broken, "64").await.refused(400);
    boxed(drive, "AAAAAAAAAAAAAAAAAAAAAA", "64")
        .await
        .refused(404);
    assert!(!boxed(drive, home, "64").await.allowed());
}

async fn odd_boxes_are_clean(drive: &Drive, home: &str) {
    let file = drive
        .file("a.png", home, &picture(20, 10, ImageFormat::Png))
        .await;
    for view_box in [
        "0",
        "-1",
        "x",
        "",
        "1.5",
        "99999999999999999999",
        "50,20",
        "50,",
        "%00",
    ] {
        let reply = boxed(drive, &file, view_box).await;
        match reply.status.as_u16() {
            200 => drop(image::load_from_memory(&reply.body).unwrap()),
            _ => drop(reply.refused(400)),
        }
    }
}

async fn pictures_have_their_size(drive: &Drive, home: &str) {
    let content = picture(40, 30, ImageFormat::Jpeg);
    let file = drive.file("a.jpg", home, &content).await;
    let node = drive.node(&file).await;
    let image = &node["contentProperties"]["image"];
    assert_eq!(
        (&image["width"], &image["height"]),
        (&json!(40), &json!(30)),
        "{node}"
    );
    let text = drive.file("a.txt", home, b"text").await;
    assert!(
        drive.node(&text).await["contentProperties"]
            .get("image")
            .is_none()
    );
}

async fn assets_come_only_when_asked_for(drive: &Drive, home: &str) {
    let file = drive
        .file("a.png", home, &picture(400, 300, ImageFormat::Png))
        .await;
    for query in ["", "?asset=NONE"] {
        let node = drive
            .get(&format!("nodes/{file}{query}"))
            .await
            .expect(200)
            .json();
        assert!(node.get("assets").is_none(), "{node}");
    }
    let node = drive
        .get(&format!("nodes/{file}?asset=ALL"))
        .await
        .expect(200)
        .json();
    assert_eq!(id(&node), file);
    for asset in node["assets"].as_array().into_iter().flatten() {
        assert_node(asset);
        assert_eq!(
            (asset["kind"].as_str(), &asset["parents"]),
            (Some("ASSET"), &json!([file]))
        );
    }
}
