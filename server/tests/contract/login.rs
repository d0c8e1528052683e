//! Sections 2.1 to 2.4 of the reference: asking for consent, codes, and what a token says of
//! itself. Judged where the suite knows a client of the token endpoint.

use reqwest::RequestBuilder;
use serde_json::Value;
use url::Url;

use crate::drive::{Drive, Login, Reply, send};

contract![
    codes_nobody_gave_out_are_refused,
    token_tells_whose_it_is,
    tokens_nobody_gave_out_tell_nothing,
    profile_is_asked_for_in_three_ways,
    consent_never_leads_to_an_address_unknown,
];

/// An address at the host of the token endpoint.
fn address(login: &Login, path: &str, query: &[(&str, &str)]) -> Url {
    let mut url = Url::parse(&login.token_url).unwrap().join(path).unwrap();
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    url
}

async fn access_token(drive: &Drive, login: &Login) -> String {
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &login.refresh_token),
        ("client_id", &login.client_id),
        ("client_secret", &login.client_secret),
    ];
    let reply = send(drive.http.post(&login.token_url).form(&form)).await;
    let token = reply.expect(200).json()["access_token"].clone();
    token.as_str().unwrap().to_owned()
}

/// acd_cli, node, php and ruby exchange codes so, and Go's library.
async fn codes_nobody_gave_out_are_refused(drive: &Drive, _home: &str) {
    let Some(login) = &drive.login else { return };
    for code in ["ANbCexampleCodeQrSt", "x", login.refresh_token.as_str()] {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("client_id", &login.client_id),
            ("client_secret", &login.client_secret),
            ("redirect_uri", "http://localhost"),
        ];
        let reply = send(drive.http.post(&login.token_url).form(&form)).await;
        let body = reply.expect(400).json();
        assert_eq!(body["error"], "invalid_grant", "{body}");
        let form = &form[1..];
        let form = [&[("grant_type", "authorization_code")], &form[1..]].concat();
        let reply = send(drive.http.post(&login.token_url).form(&form)).await;
        assert_eq!(reply.expect(400).json()["error"], "invalid_request");
    }
}

async fn token_tells_whose_it_is(drive: &Drive, _home: &str) {
    let Some(login) = &drive.login else { return };
    let token = access_token(drive, login).await;
    let url = address(login, "/auth/o2/tokeninfo", &[("access_token", &token)]);
    let told = send(drive.http.get(url)).await.expect(200).json();
    assert_eq!(told["aud"], login.client_id);
    for key in ["user_id", "iss", "app_id"] {
        assert!(
            told[key].as_str().is_some_and(|text| !text.is_empty()),
            "{key}: {told}"
        );
    }
    // Seconds left.
    assert!(
        (1..=3600).contains(&told["exp"].as_u64().unwrap()),
        "{told}"
    );
    assert!(told["iat"].as_u64().is_some(), "{told}");
}

async fn tokens_nobody_gave_out_tell_nothing(drive: &Drive, _home: &str) {
    let Some(login) = &drive.login else { return };
    for query in [
        &[("access_token", "Atza|unknown")][..],
        &[("access_token", "")],
        &[],
    ] {
        let url = address(login, "/auth/o2/tokeninfo", query);
        let told: Value = send(drive.http.get(url)).await.expect(400).json();
        assert!(told["error"].is_string(), "{told}");
    }
}

/// What it says depends on what the program was let do; that it says the same does not.
async fn profile_is_asked_for_in_three_ways(drive: &Drive, _home: &str) {
    let Some(login) = &drive.login else { return };
    let ask = async |token: &str| {
        let url = address(login, "/user/profile", &[]);
        let query = address(login, "/user/profile", &[("access_token", token)]);
        let ways: [RequestBuilder; 3] = [
            drive.http.get(url.clone()).bearer_auth(token),
            drive.http.get(url).header("x-amz-access-token", token),
            drive.http.get(query),
        ];
        let mut replies: Vec<Reply> = Vec::new();
        for way in ways {
            replies.push(send(way).await);
        }
        let first = (replies[0].status, replies[0].json());
        for reply in &replies {
            assert_eq!(reply.status, first.0);
        }
        first
    };
    let (status, told) = ask(&access_token(drive, login).await).await;
    match status.is_success() {
        true => assert!(told["user_id"].is_string(), "{told}"),
        false => assert!(
            status.is_client_error() && told["error"].is_string(),
            "{told}"
        ),
    }
    let (status, told) = ask("Atza|unknown").await;
    assert!(matches!(status.as_u16(), 400 | 401), "{status} {told}");
}

/// Only addresses that were registered get codes and errors.
async fn consent_never_leads_to_an_address_unknown(drive: &Drive, _home: &str) {
    let Some(login) = &drive.login else { return };
    for (client, redirect) in [
        ("amzn1.application-oa2-client.0", "http://localhost"),
        (login.client_id.as_str(), "https://elsewhere.example/"),
        (&login.client_id, "javascript:alert(1)"),
        (&login.client_id, "http://localhost.elsewhere.example/"),
        ("", ""),
    ] {
        let query = [
            ("client_id", client),
            ("scope", "clouddrive:read_all clouddrive:write"),
            ("response_type", "code"),
            ("redirect_uri", redirect),
            ("state", "s"),
        ];
        let reply = send(drive.http.get(address(login, "/ap/oa", &query))).await;
        let location = reply.header("Location");
        assert!(
            redirect.is_empty() || !location.starts_with(redirect),
            "{location}"
        );
        assert!(reply.status.as_u16() < 500, "{reply:?}");
        assert!(!location.contains("code="), "{location}");
    }
}
