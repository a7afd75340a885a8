//! Delegation tokens.

use std::fs;
use std::time::Duration;

use klamm::admin::{DelegationToken, Principal};
use klamm::{Admin, Client, ErrorCode};

use super::{PASSWORD, SASL, admin, kafka, refused, until};
use crate::support::blocking;

/// That of a user by name.
pub(crate) async fn admin_of(user: &str) -> Admin {
    let bootstrap = kafka().bootstrap_of(SASL);
    let properties = [
        ("bootstrap.servers", bootstrap.as_str()),
        ("security.protocol", "SASL_PLAINTEXT"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.username", user),
        ("sasl.password", PASSWORD),
    ];
    let client = Client::from_properties(properties).await.unwrap();
    client.admin().timeout(Duration::from_secs(30))
}

/// What Kafka's tool says of Alice's tokens.
fn printed() -> String {
    let file = kafka().run_dir().join("alice.properties");
    let text = format!(
        "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config=\
         org.apache.kafka.common.security.plain.PlainLoginModule required username=\"alice\" password=\"{PASSWORD}\";\n"
    );
    fs::write(&file, text).unwrap();
    let tool = kafka().tool("org.apache.kafka.tools.DelegationTokenCommand");
    let tool = tool
        .unwrap()
        .args(["--bootstrap-server", &kafka().bootstrap_of(SASL)])
        .args(["--describe", "--owner-principal", "User:alice"])
        .args(["--command-config", file.to_str().unwrap()]);
    tool.run().unwrap().text()
}

async fn listed(admin: &Admin, token: &DelegationToken) -> Option<DelegationToken> {
    let alices = admin.describe_tokens([Principal::user("alice")]).await;
    alices.unwrap().into_iter().find(|it| it.id == token.id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_made_renewed_and_ended_as_kafkas_tool_sees_it() {
    blocking(kafka);
    let (alice, bob) = (admin_of("alice").await, admin_of("bob").await);
    let bobs = [Principal::user("bob")];
    let hour = Duration::from_secs(3600);
    let token = alice
        .create_token()
        .renewers(bobs.clone())
        .max_lifetime(hour);
    let token = token.await.unwrap();
    assert_eq!(token.owner, Principal::user("alice"));
    assert_eq!(token.requester, token.owner);
    assert_eq!(token.max_timestamp - token.issue_timestamp, 3_600_000);
    let shown = until("the token", || listed(&alice, &token)).await;
    assert_eq!(shown.hmac, token.hmac);
    assert_eq!(shown.renewers, bobs);
    let printed = blocking(printed);
    let row = printed.lines().find(|line| line.starts_with(&token.id));
    let row = row.unwrap_or_else(|| panic!("no {} in {printed}", token.id));
    assert!(
        row.contains("User:alice") && row.contains("User:bob"),
        "{row}"
    );

    // Who renews it need not be its owner; nobody else may end it.
    let minute = Duration::from_secs(60);
    let ends = bob.renew_token(&token.hmac, Some(minute)).await.unwrap();
    assert!(ends < token.expiry_timestamp && ends > token.issue_timestamp);
    until("the new end", || async {
        let shown = listed(&alice, &token).await?;
        (shown.expiry_timestamp == ends).then_some(())
    })
    .await;
    let nobodys = refused(alice.renew_token(b"of nobody", None).await);
    assert_eq!(nobodys, ErrorCode::DELEGATION_TOKEN_NOT_FOUND);
    let others = alice.create_token().await.unwrap();
    until("the other token", || listed(&alice, &others)).await;
    let not_bobs = refused(bob.expire_token(&others.hmac, None).await);
    assert_eq!(not_bobs, ErrorCode::DELEGATION_TOKEN_OWNER_MISMATCH);
    for token in [token, others] {
        alice.expire_token(&token.hmac, None).await.unwrap();
        until("the end of the token", || async {
            listed(&alice, &token).await.is_none().then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_refused_to_whoever_is_not_authenticated() {
    let admin = admin().await;
    let refused_codes = [
        ErrorCode::DELEGATION_TOKEN_REQUEST_NOT_ALLOWED,
        ErrorCode::DELEGATION_TOKEN_AUTH_DISABLED,
    ];
    for code in [
        refused(admin.create_token().await),
        refused(admin.describe_tokens([]).await),
        refused(admin.renew_token(b"none", None).await),
        refused(admin.expire_token(b"none", None).await),
    ] {
        assert!(refused_codes.contains(&code), "{code}");
    }
}
