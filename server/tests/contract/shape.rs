//! What every node looks like, whatever call it comes from.

use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A node as sections 5.1 to 5.5 describe it, and as the clients' parsers need it.
#[track_caller]
pub(crate) fn assert_node(node: &Value) {
    assert_id(&node["id"], node);
    let kind = node["kind"].as_str().unwrap();
    assert!(["FILE", "FOLDER", "ASSET"].contains(&kind), "{node}");
    let status = node["status"].as_str().unwrap();
    assert!(
        ["AVAILABLE", "TRASH", "PURGED", "PENDING"].contains(&status),
        "{node}"
    );
    // Rambalac reads it into 32 bits.
    let version = node["version"].as_i64().unwrap();
    assert!((1..=i64::from(i32::MAX)).contains(&version), "{node}");
    assert_date(&node["createdDate"]);
    assert_date(&node["modifiedDate"]);
    assert!(
        node["createdBy"].as_str().is_some_and(|by| !by.is_empty()),
        "{node}"
    );
    assert!(node["labels"].is_array(), "{node}");
    assert!(
        node["eTagResponse"]
            .as_str()
            .is_some_and(|tag| !tag.is_empty()),
        "{node}"
    );
    assert!(node["restricted"].is_boolean(), "{node}");
    assert!(node["isShared"].is_boolean(), "{node}");
    for parent in node["parents"].as_array().unwrap() {
        assert_id(parent, node);
    }
    // Duplicates of what lies in contentProperties, and a name of old documentation.
    for old in [
        "creationDate",
        "size",
        "md5",
        "contentType",
        "fileExtension",
        "metadataVersion",
    ] {
        assert!(node.get(old).is_none(), "{old}: {node}");
    }
    match node.get("isRoot") {
        None => assert!(
            node["name"].as_str().is_some_and(|name| !name.is_empty()),
            "{node}"
        ),
        Some(root) => {
            assert_eq!(*root, true, "{node}");
            assert!(node.get("name").is_none_or(Value::is_null), "{node}");
            assert_eq!(node["parents"], serde_json::json!([]), "{node}");
            assert_eq!(kind, "FOLDER", "{node}");
        }
    }
    if kind == "FILE" && status == "AVAILABLE" {
        assert_content(&node["contentProperties"]);
    }
}

#[track_caller]
fn assert_content(content: &Value) {
    assert!(
        content["version"]
            .as_i64()
            .is_some_and(|version| version >= 1),
        "{content}"
    );
    assert!(content["size"].as_u64().is_some(), "{content}");
    let md5 = content["md5"].as_str().unwrap();
    assert_eq!(md5.len(), 32, "{content}");
    assert!(
        md5.bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)),
        "{content}"
    );
    assert!(
        content["contentType"]
            .as_str()
            .is_some_and(|text| text.contains('/')),
        "{content}"
    );
}

/// 22 characters that need no encoding in an address.
#[track_caller]
pub(crate) fn assert_id(id: &Value, node: &Value) {
    let text = id.as_str().unwrap_or_else(|| panic!("{node}"));
    let url_safe = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    assert!(
        text.len() == 22 && text.bytes().all(url_safe),
        "{id}: {node}"
    );
}

/// `2015-03-17T16:04:05.123Z`.
#[track_caller]
pub(crate) fn assert_date(date: &Value) -> OffsetDateTime {
    let text = date.as_str().unwrap();
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z");
    OffsetDateTime::parse(text, &Rfc3339).unwrap()
}

/// A page as section 6.2 describes it.
#[track_caller]
pub(crate) fn assert_page(page: &Value) {
    let data = page["data"].as_array().unwrap_or_else(|| panic!("{page}"));
    let count = page["count"].as_u64().unwrap_or_else(|| panic!("{page}"));
    assert!(count >= data.len() as u64, "{page}");
    if let Some(token) = page.get("nextToken") {
        let url_safe = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
        assert!(
            token
                .as_str()
                .is_some_and(|text| !text.is_empty() && text.bytes().all(url_safe)),
            "{page}"
        );
    }
    data.iter().for_each(assert_node);
}
