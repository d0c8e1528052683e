//! Sections 3 and 4 of the reference: discovery, and what a customer has.

use serde_json::Value;

use crate::{
    drive::{Drive, unique_content},
    shape::assert_date,
};

contract![
    discovery_gives_both_addresses,
    discovery_answers_below_the_address_it_gives,
    info_has_terms_and_status,
    quota_is_in_bytes,
    usage_has_four_categories,
    usage_and_quota_are_readable_after_an_upload,
];

async fn discovery_gives_both_addresses(drive: &Drive, _home: &str) {
    let found = drive.get("account/endpoint").await.expect(200).json();
    assert_eq!(found["customerExists"], true);
    for key in ["metadataUrl", "contentUrl"] {
        let address = found[key].as_str().unwrap();
        assert!(
            address.starts_with("http") && address.ends_with('/'),
            "{address}"
        );
    }
}

async fn discovery_answers_below_the_address_it_gives(drive: &Drive, _home: &str) {
    let found = drive.get("account/endpoint").await.expect(200).json();
    assert_eq!(found["metadataUrl"], drive.metadata_url);
    assert_eq!(found["contentUrl"], drive.content_url);
}

async fn info_has_terms_and_status(drive: &Drive, _home: &str) {
    let info = drive.get("account/info").await.expect(200).json();
    assert_eq!(info["status"], "ACTIVE");
    assert!(info["termsOfUse"].is_string(), "{info}");
}

async fn quota_is_in_bytes(drive: &Drive, _home: &str) {
    let quota = drive.get("account/quota").await.expect(200).json();
    let bytes = |key: &str| quota[key].as_u64().unwrap_or_else(|| panic!("{quota}"));
    assert!(bytes("available") <= bytes("quota"), "{quota}");
    assert_date(&quota["lastCalculated"]);
}

async fn usage_has_four_categories(drive: &Drive, _home: &str) {
    let usage = drive.get("account/usage").await.expect(200).json();
    assert_usage(&usage);
}

async fn usage_and_quota_are_readable_after_an_upload(drive: &Drive, home: &str) {
    drive.file("a.txt", home, &unique_content()).await;
    assert_usage(&drive.get("account/usage").await.expect(200).json());
    drive.get("account/quota").await.expect(200);
}

fn assert_usage(usage: &Value) {
    assert_date(&usage["lastCalculated"]);
    for category in ["other", "doc", "photo", "video"] {
        for part in ["total", "billable"] {
            for figure in ["bytes", "count"] {
                let value = &usage[category][part][figure];
                assert!(
                    value.as_u64().is_some(),
                    "{category} {part} {figure}: {usage}"
                );
            }
        }
    }
    assert_eq!(usage.as_object().unwrap().len(), 5, "{usage}");
}
