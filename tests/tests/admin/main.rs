//! The admin on a real broker: each call with a good and a refused case, and its word beside that of
//! Kafka's own tools for the same cluster.
//!
//! One broker serves all tests here but those in [`three_nodes`] and [`beside_java`]; each uses names of its own.

#[path = "../support/mod.rs"]
mod support;

mod beside_java;
mod cluster;
mod configs;
mod controllers;
mod denied;
mod groups;
mod hanging;
mod helpers;
mod newer_brokers;
mod old_brokers;
mod records;
mod security;
mod three_nodes;
mod tokens;
mod topics;
mod transactions;

use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use klamm::{Admin, Client, ErrorCode};
use klamm_tests::{JavaTools, Kafka, Printed};
use support::{blocking, connect};
use tokio::time::{Instant, sleep};

const TOPIC_COMMAND: &str = "org.apache.kafka.tools.TopicCommand";
const CONFIG_COMMAND: &str = "kafka.admin.ConfigCommand";
const GROUP_COMMAND: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";

/// The listener on which users are known, and the password of all of them: Alice, Bob, and Mallory, who may nothing in
/// the cluster.
const SASL: &str = "SASL";
const PASSWORD: &str = "wonderland";

/// The broker of these tests: whoever is not denied something may do it.
fn kafka() -> &'static Kafka {
    static KAFKA: OnceLock<Kafka> = OnceLock::new();
    KAFKA.get_or_init(|| {
        let authorizer = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";
        let users = format!(
            "org.apache.kafka.common.security.plain.PlainLoginModule required \
             user_alice=\"{PASSWORD}\" user_bob=\"{PASSWORD}\" user_mallory=\"{PASSWORD}\";"
        );
        let reporter = include_str!("../../java/ForgetfulReporter.java");
        Kafka::builder()
            // Replicas move between them.
            .log_dirs(2)
            .property("authorizer.class.name", authorizer)
            .property("allow.everyone.if.no.acl.found", true)
            // Two topics of the test of pages do not fit into one.
            .property("max.request.partition.size.limit", 50)
            .property("delegation.token.secret.key", "a-key-that-signs-tokens")
            .listener(SASL, "SASL_PLAINTEXT")
            .property("sasl.enabled.mechanisms", "PLAIN")
            // With it, brokers give clients the ids that they have in metrics.
            .class("ForgetfulReporter", reporter)
            .property("metric.reporters", "ForgetfulReporter")
            .property("listener.name.sasl.plain.sasl.jaas.config", users)
            .start()
            .expect("the broker of the admin's tests")
    })
}

async fn client() -> Client {
    let bootstrap = blocking(|| kafka().bootstrap());
    connect(&bootstrap).await
}

async fn admin() -> Admin {
    client().await.admin().timeout(Duration::from_secs(30))
}

/// What Kafka's tools print.
fn tools(describe: impl FnOnce(JavaTools) -> JavaTools) -> Vec<Printed> {
    blocking(|| describe(kafka().java_tools().unwrap()).run().unwrap())
}

/// The error code of a result that is a failure.
fn refused<T: std::fmt::Debug>(result: Result<T, klamm::admin::Error>) -> ErrorCode {
    let error = result.expect_err("a refusal");
    error.code().unwrap_or_else(|| panic!("no code: {error}"))
}

/// Waits until `look` finds something.
async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come about");
        sleep(Duration::from_millis(20)).await;
    }
}

/// What stands behind `name` in a line of a tool, up to the next tab or blank.
fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let start = line
        .find(name)
        .unwrap_or_else(|| panic!("no {name} in {line:?}"))
        + name.len();
    line[start..]
        .split(['\t', ' '])
        .find(|it| !it.is_empty())
        .unwrap_or("")
}
