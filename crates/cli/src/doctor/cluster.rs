//! The cluster behind the bootstrap address: every broker where it says that it is.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use klamm::admin::{Broker, OffsetSpec};
use klamm::{Admin, Client, HostPort, TopicPartition};

use super::reach;
use super::steps::Steps;
use crate::failure::{Failure, explain};
use crate::output::counted;
use crate::time;

/// Clocks further apart make timestamps, retention and TLS doubtful.
const SKEW_MAX_MS: i64 = 5_000;
/// Partitions that are asked for their end.
const PARTITIONS_MAX: usize = 1_000;

pub(super) async fn examine(
    client: &Client,
    bootstrap: &[String],
    timeout: Duration,
    steps: &mut Steps<'_>,
) -> Result<(), Failure> {
    let admin = client.admin().timeout(timeout);
    // As the bootstrap address has told: to ask again, a broker must be reached where it says it is.
    let cluster = client.cluster_snapshot();
    let id = cluster.cluster_id.as_deref().unwrap_or("without id");
    let told = counted(cluster.brokers.len() as u64, "broker");
    match cluster.controller {
        Some(node) => steps.ok("cluster", id, &format!("{told}, controller {node}"))?,
        None => steps.warning("cluster", id, &format!("{told}, but no controller now"))?,
    }
    let mut answering = 0;
    for broker in &cluster.brokers {
        if examine_broker(&admin, broker, bootstrap, timeout, steps).await? {
            answering += 1;
        }
    }
    if answering == 0 {
        return steps.skipped("round trip", "", "no broker can be used");
    }
    round_trip(&admin, steps).await?;
    clock(&admin, steps).await
}

/// Whether a broker can be reached where it says that it is, and answers there.
async fn examine_broker(
    admin: &Admin,
    broker: &Broker,
    bootstrap: &[String],
    timeout: Duration,
    steps: &mut Steps<'_>,
) -> Result<bool, Failure> {
    let target = format!("broker {} {}", broker.node, broker.address);
    let advice = format!(
        "broker {} says that it is there: clients must reach what its advertised.listeners names, so set that to an \
         address which does work from here",
        broker.node
    );
    if is_loopback(&broker.address) && !bootstrap.iter().any(|it| is_local(it)) {
        let told = format!(
            "it is an address of the broker's own machine, for which other machines have their own; {advice}"
        );
        steps.warning("advertised", &target, &told)?;
    }
    if !reach::examine(&broker.address, &advice, timeout, steps).await? {
        return Ok(false);
    }
    let asked = Instant::now();
    match admin.describe_features_of(broker.node).await {
        Ok(features) => {
            let took = asked.elapsed().as_secs_f64() * 1000.0;
            let mut told = format!("answers in {took:.1} ms");
            for (name, versions) in &features.finalized {
                let _ = write!(told, ", {name} {}", versions.max);
            }
            steps.ok("versions", &target, &told)?;
            Ok(true)
        }
        // From before features: it did answer.
        Err(error) if error.is_unsupported() => {
            steps.ok("versions", &target, "answers; older than Kafka 2.7")?;
            Ok(true)
        }
        Err(error) => {
            steps.failed("versions", &target, &explain(&error))?;
            Ok(false)
        }
    }
}

fn is_loopback(address: &HostPort) -> bool {
    let host = address.host.trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn is_local(bootstrap: &str) -> bool {
    let config = klamm::net::ClientConfig::new(bootstrap);
    config.is_ok_and(|config| config.bootstrap.iter().any(is_loopback))
}

/// Asks the leaders of partitions for their ends: through metadata and routing, without writing.
async fn round_trip(admin: &Admin, steps: &mut Steps<'_>) -> Result<(), Failure> {
    let topics = match admin.list_topics().await {
        Ok(topics) => topics,
        Err(error) => return steps.failed("round trip", "topics", &explain(&error)),
    };
    if topics.is_empty() {
        return steps.skipped(
            "round trip",
            "topics",
            "there are none, or none that this user may see",
        );
    }
    let partitions = topics.iter().flat_map(|topic| {
        let indexes = 0..i32::try_from(topic.partitions).unwrap_or(i32::MAX);
        indexes.map(move |index| TopicPartition::new(topic.name.as_str(), index))
    });
    let partitions: Vec<_> = partitions.take(PARTITIONS_MAX).collect();
    let asked = partitions.iter().map(|it| (it.clone(), OffsetSpec::Latest));
    let started = Instant::now();
    let ends = match admin.list_offsets(asked).await {
        Ok(ends) => ends,
        Err(error) => return steps.failed("round trip", "partitions", &explain(&error)),
    };
    let took = started.elapsed().as_secs_f64() * 1000.0;
    let (ends, failed) = ends.split();
    let target = counted(partitions.len() as u64, "partition");
    match failed.first() {
        None => {
            let told = format!(
                "the leaders of {} tell their ends, in {took:.1} ms",
                ends.len()
            );
            steps.ok("round trip", &target, &told)
        }
        Some((partition, error)) => {
            let count = failed.len();
            let told = format!(
                "{count} have failed, {partition} because: {}",
                explain(error)
            );
            steps.failed("round trip", &target, &told)
        }
    }
}

/// The active controller tells its time as that when it had all of its own log.
async fn clock(admin: &Admin, steps: &mut Steps<'_>) -> Result<(), Failure> {
    let before = time::now();
    let quorum = admin.describe_quorum().await;
    let after = time::now();
    let theirs = quorum.ok().and_then(|quorum| {
        let leader = quorum
            .voters
            .into_iter()
            .find(|it| Some(it.node) == quorum.leader)?;
        leader.last_caught_up_timestamp
    });
    let Some(theirs) = theirs else {
        let told = "only controllers of Kafka 3.3 and later tell their time, and only to those who may ask";
        return steps.skipped("clock", "controller", told);
    };
    // Within the request, it is not known better.
    let skew = match theirs {
        _ if theirs < before => theirs - before,
        _ if theirs > after => theirs - after,
        _ => 0,
    };
    let told = format!("the controller's clock differs by {skew} ms, at least");
    if skew.abs() <= SKEW_MAX_MS {
        return steps.ok("clock", "controller", &told);
    }
    let advice = "timestamps of records, retention by time and certificates go by clocks: is NTP on at both ends?";
    steps.warning("clock", "controller", &format!("{told}; {advice}"))
}
