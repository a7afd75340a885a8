//! An address of `bootstrap.servers`: from the name to a Kafka client.

use std::time::Duration;

use klamm::net::Error as NetError;
use klamm::{Client, Error, HostPort};
use tokio::time::timeout as within;

use super::steps::Steps;
use super::{Security, reach};
use crate::failure::Failure;
use crate::session::borrowed;

/// A client that came through this address alone, if it does.
pub(super) async fn examine(
    properties: &[(String, String)],
    address: &str,
    security: &Security,
    timeout: Duration,
    steps: &mut Steps<'_>,
) -> Result<Option<Client>, Failure> {
    let parsed = match klamm::net::ClientConfig::new(address) {
        Ok(config) => config.bootstrap.into_iter().next(),
        Err(error) => {
            steps.failed("configuration", address, &error.to_string())?;
            return Ok(None);
        }
    };
    let Some(host_port) = parsed else {
        return Ok(None);
    };
    if !reach::examine(&host_port, "it is from bootstrap.servers", timeout, steps).await? {
        return Ok(None);
    }
    let mut properties = properties.to_vec();
    properties.retain(|(name, _)| name != "bootstrap.servers");
    properties.push(("bootstrap.servers".to_owned(), host_port.to_string()));
    let connected = within(timeout, Client::from_properties(borrowed(&properties))).await;
    let shown = host_port.to_string();
    match connected {
        Ok(Ok(client)) => {
            passed(&shown, security, steps)?;
            steps.ok(
                "protocol",
                &shown,
                "a Kafka broker, in versions that klamm speaks",
            )?;
            Ok(Some(client))
        }
        Ok(Err(error)) => {
            tell(error, &host_port, security, steps)?;
            Ok(None)
        }
        Err(_) => {
            let told = format!(
                "no Kafka broker answered within {timeout:?}: does the port belong to something else, or is the broker \
                 overloaded? With TLS set wrongly on either side, both may wait for the other"
            );
            steps.failed("protocol", &shown, &told)?;
            Ok(None)
        }
    }
}

/// TLS and SASL have worked, as far as they are used.
fn passed(address: &str, security: &Security, steps: &mut Steps<'_>) -> Result<(), Failure> {
    tls_passed(address, security, steps)?;
    match &security.sasl {
        Some(mechanism) => steps.ok("SASL", address, &format!("authenticated by {mechanism}")),
        None => steps.skipped("SASL", address, "not used (security.protocol)"),
    }
}

fn tls_passed(address: &str, security: &Security, steps: &mut Steps<'_>) -> Result<(), Failure> {
    if security.tls {
        steps.ok(
            "TLS",
            address,
            "encrypted; the broker's certificate is trusted and for this name",
        )
    } else {
        steps.skipped("TLS", address, "not used (security.protocol)")
    }
}

/// Which step a failure to connect belongs to.
fn tell(
    error: Error,
    address: &HostPort,
    security: &Security,
    steps: &mut Steps<'_>,
) -> Result<(), Failure> {
    let shown = address.to_string();
    let error = match error {
        Error::Net(error) => error,
        other => return steps.failed("configuration", &shown, &other.to_string()),
    };
    match root(&error) {
        NetError::Security { .. } => steps.failed("configuration", &shown, &error.to_string()),
        NetError::Tls { reason, .. } => steps.failed("TLS", &shown, reason),
        NetError::Authentication {
            mechanism, reason, ..
        } => {
            tls_passed(&shown, security, steps)?;
            steps.failed("SASL", &shown, &format!("{mechanism}: {reason}"))
        }
        NetError::NotKafka { reason, .. } => steps.failed("protocol", &shown, reason),
        NetError::AdvertisedAddress { .. } => {
            passed(&shown, security, steps)?;
            steps.failed("advertised", &shown, &error.to_string())
        }
        _ => steps.failed("protocol", &shown, &error.to_string()),
    }
}

/// What lies behind a deadline.
fn root(error: &NetError) -> &NetError {
    match error {
        NetError::DeadlineExceeded {
            last: Some(last), ..
        } => root(last),
        other => other,
    }
}
