//! Section 2.3 and 2.5 of the reference: tokens. Judged where the suite knows a client of the
//! token endpoint.

use serde_json::Value;

use crate::drive::{Drive, Login, Reply, send};

contract![
    refresh_reply_has_all_that_clients_need,
    refresh_takes_what_clients_add,
    refreshed_token_opens_the_drive,
    client_may_use_basic_authentication,
    wrong_grants_are_refused,
    wrong_clients_are_refused,
    refusals_hold_no_secret,
];

async fn ask(drive: &Drive, login: &Login, form: &[(&str, &str)]) -> Reply {
    send(drive.http.post(&login.token_url).form(form)).await
}

fn refresh(login: &Login) -> Vec<(&'static str, &str)> {
    vec![
        ("grant_type", "refresh_token"),
        ("refresh_token", &login.refresh_token),
        ("client_id", &login.client_id),
        ("client_secret", &login.client_secret),
    ]
}

/// acd_cli refuses a reply that lacks any of these.
async fn refresh_reply_has_all_that_clients_need(drive: &Drive, _home: &str) {
    let Some(login) = &drive.login else { return };
    let reply = ask(drive, login, &refresh(login)).await.expect(200);
    assert!(
        reply.header("Content-Type").starts_with("application/json"),
        "{reply:?}"
    );
    let token = reply.json();
    assert!(token["access_token"].as_str().unwrap().starts_with("Atza|"));
    assert!(
        token["refresh_token"]
            .as_str()
            .unwrap()
            .starts_with("Atzr|")
    );
    assert!(token["access_token"].as_str().unwrap().len() <= 2048);
    assert_eq!(token["token_type"], "bearer");
    assert_eq!(token["expires_in"], 3600);
}

async fn refresh_takes_what_clients_add(drive: &Drive, _home: &str) {
    let Some(login) = &drive.login else { return };
    // acd_cli, node, php and ruby.
    let mut form = refresh(login);
    form.push(("redirect_uri", "http://localhost"));
    let first = ask(drive, login, &form).await.expect(200).json();
    // The token of the reply works as that before it did, which does not expire.
    let mut form = refresh(login);
    form[1].1 = first["refresh_token"].as_str().unwrap();
    ask(drive, login, &form).await.expect(200);
    ask(drive, login, &refresh(login)).await.expect(200);
}

async fn refreshed_token_opens_the_drive(drive: &Drive, home: &str) {
    let Some(login) = &drive.login else { return };
    let token = ask(drive, login, &refresh(login)).await.expect(200).json();
    let url = format!("{}nodes/{home}", drive.metadata_url);
    let request = drive
        .http
        .get(url)
        .bearer_auth(token["access_token"].as_str().unwrap());
    assert_eq!(send(request).await.expect(200).json()["id"], home);
}

/// As Go's library tries first.
async fn client_may_use_basic_authentication(drive: &Drive, _home: &str) {
    let Some(login) = &drive.login else { return };
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &login.refresh_token),
    ];
    let request = drive.http.post(&login.token_url).form(&form);
    let request = request.basic_auth(&login.client_id, Some(&login.client_secret));
    assert_eq!(
        send(request).await.expect(200).json()["token_type"],
        "bearer"
    );
}

#[track_caller]
fn assert_error(reply: Reply, status: u16, error: &str) {
    let body: Value = reply.expect(status).json();
    assert_eq!(body["error"], error, "{body}");
    assert!(body["error_description"].is_string(), "{body}");
}

async fn wrong_grants_are_refused(drive: &Drive, _home: &str) {
    let Some(login) = &drive.login else { return };
    let mut form = refresh(login);
    form[1].1 = "Atzr|unknown";
    let reply = ask(drive, login, &form).await;
    assert_eq!(
        reply.json()["error_description"],
        "The request has an invalid grant parameter : refresh_token"
    );
    assert_error(reply, 400, "invalid_grant");
    let mut form = refresh(login);
    form[0].1 = "password";
    assert_error(
        ask(drive, login, &form).await,
        400,
        "unsupported_grant_type",
    );
    let mut form = refresh(login);
    form.remove(1);
    assert_error(ask(drive, login, &form).await, 400, "invalid_request");
    let mut form = refresh(login);
    form.remove(0);
    assert_error(ask(drive, login, &form).await, 400, "invalid_request");
}

async fn wrong_clients_are_refused(drive: &Drive, _home: &str) {
    let Some(login) = &drive.login else { return };
    for (place, value) in [
        (3, "0".repeat(64)),
        (3, String::new()),
        (2, "amzn1.application-oa2-client.0".into()),
    ] {
        let mut form = refresh(login);
        form[place].1 = &value;
        let reply = ask(drive, login, &form).await;
        assert_eq!(
            reply.json()["error_description"],
            "Client authentication failed"
        );
        assert_error(reply, 401, "invalid_client");
    }
}

async fn refusals_hold_no_secret(drive: &Drive, _home: &str) {
    let Some(login) = &drive.login else { return };
    for place in 0..4 {
        let mut form = refresh(login);
        form[place].1 = "wrong";
        let reply = ask(drive, login, &form).await;
        for secret in [&login.client_secret, &login.refresh_token] {
            assert!(!reply.text().contains(secret.as_str()));
        }
    }
}
