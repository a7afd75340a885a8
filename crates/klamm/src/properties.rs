//! From Kafka's property names to the client's settings; those of producers and consumers are read
//! where they live.

use std::time::Duration;

use klamm_admin::Admin;
use klamm_net::config::{Findings, Problem, PropertySet, Role, checks};
use klamm_net::{Backoff, ClientConfig, EndpointType, Security};

use crate::error::Error;

/// The settings that `set` asks for.
pub(crate) fn client_config(set: &PropertySet) -> Result<ClientConfig, Error> {
    let servers = set.list("bootstrap.servers");
    let servers = servers.map(|addresses| (addresses, EndpointType::Broker));
    // Only sets of admins have them.
    let controllers = || set.list("bootstrap.controllers");
    let controllers = || Some((controllers()?, EndpointType::Controller));
    let Some((bootstrap, endpoint_type)) = servers.or_else(controllers) else {
        let mut addresses = "host:port, several of them separated by commas".to_owned();
        if set.role() == Role::Admin {
            addresses.push_str("; or bootstrap.controllers");
        }
        return Err(Error::Config(
            Problem::missing("bootstrap.servers", addresses).into(),
        ));
    };
    let mut config = ClientConfig::new(&bootstrap.join(","))?;
    config.endpoint_type = endpoint_type;
    if let Some(client_id) = set.string("client.id") {
        config.client_id = client_id;
    }
    let durations = [
        (
            "bootstrap.resolve.timeout.ms",
            &mut config.bootstrap_resolve_timeout,
        ),
        ("request.timeout.ms", &mut config.request_timeout),
        ("default.api.timeout.ms", &mut config.default_api_timeout),
        ("retry.backoff.ms", &mut config.retry_backoff.initial),
        ("retry.backoff.max.ms", &mut config.retry_backoff.max),
        (
            "reconnect.backoff.ms",
            &mut config.reconnect_backoff.initial,
        ),
        (
            "reconnect.backoff.max.ms",
            &mut config.reconnect_backoff.max,
        ),
        (
            "socket.connection.setup.timeout.ms",
            &mut config.connection_setup_timeout,
        ),
        (
            "socket.connection.setup.timeout.max.ms",
            &mut config.connection_setup_timeout_max,
        ),
        ("metadata.max.age.ms", &mut config.metadata_max_age),
        (
            "metadata.recovery.rebootstrap.trigger.ms",
            &mut config.rebootstrap_trigger,
        ),
    ];
    for (name, setting) in durations {
        if let Some(duration) = set.duration_ms(name) {
            *setting = duration;
        }
    }
    config.security = Security::from_properties(set)?;
    if let Some(idle_ms) = set.i64("connections.max.idle.ms") {
        config.connections_max_idle = u64::try_from(idle_ms).ok().map(Duration::from_millis);
    }
    if let Some(strategy) = set.str("metadata.recovery.strategy") {
        config.rebootstrap = strategy == "rebootstrap";
    }
    if let Some(check) = set.bool("metadata.cluster.check.enable") {
        config.metadata_cluster_check = check;
    }
    let mut findings = Findings::new();
    let Backoff { initial, max } = config.retry_backoff;
    config.retry_backoff.initial = checks::retry_backoff(initial, max, &mut findings);
    let Backoff { initial, max } = config.reconnect_backoff;
    config.reconnect_backoff.initial = checks::reconnect_backoff(initial, max, &mut findings);
    for warning in set.warnings().iter().chain(&findings.finish()?) {
        tracing::warn!("{warning}");
    }
    Ok(config)
}

/// `admin` with the settings of admins that `set` asks for.
pub(crate) fn admin(mut admin: Admin, set: &PropertySet) -> Admin {
    if let Some(retries) = set.i32("retries") {
        admin = admin.retries(u32::try_from(retries).unwrap_or(0));
    }
    if let Some(timeout) = set.duration_ms("default.api.timeout.ms") {
        admin = admin.timeout(timeout);
    }
    admin
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn parsed(properties: &[(&str, &str)]) -> Result<ClientConfig, Error> {
        client_config(&PropertySet::parse(
            Role::Client,
            properties.iter().copied(),
        )?)
    }

    #[test]
    fn properties_set_what_they_name_and_leave_the_rest() {
        let config = parsed(&[
            ("bootstrap.servers", "a:1, b:2"),
            ("client.id", "billing"),
            ("request.timeout.ms", "1500"),
            ("retry.backoff.ms", "5000"),
            ("connections.max.idle.ms", "-1"),
            ("metadata.recovery.strategy", "NONE"),
            ("metadata.cluster.check.enable", "false"),
            ("bootstrap.resolve.timeout.ms", "7000"),
        ])
        .unwrap();
        let addresses: Vec<_> = config.bootstrap.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["a:1", "b:2"]);
        assert_eq!(config.client_id, "billing");
        assert_eq!(config.request_timeout, Duration::from_millis(1500));
        // As in Java, never above the maximum.
        assert_eq!(config.retry_backoff.initial, Duration::from_secs(1));
        assert_eq!(config.default_api_timeout, Duration::from_secs(60));
        assert_eq!(config.connections_max_idle, None);
        assert!(!config.rebootstrap && !config.metadata_cluster_check);
        assert_eq!(config.bootstrap_resolve_timeout, Duration::from_secs(7));
    }

    #[test]
    fn an_admin_is_connected_to_brokers_or_to_controllers() {
        let admin = |properties: &[(&str, &str)]| {
            let properties = properties.iter().copied();
            client_config(&PropertySet::parse(Role::Admin, properties)?)
        };
        let servers = ("bootstrap.servers", "a:1");
        let controllers = ("bootstrap.controllers", "b:2");
        let config = admin(&[controllers]).unwrap();
        assert_eq!(config.endpoint_type, EndpointType::Controller);
        assert_eq!(config.bootstrap[0].to_string(), "b:2");
        let config = admin(&[servers]).unwrap();
        assert_eq!(config.endpoint_type, EndpointType::Broker);
        for wrong in [&[servers, controllers][..], &[]] {
            let error = admin(wrong).unwrap_err().to_string();
            assert!(error.contains("bootstrap.controllers"), "{error}");
        }
        // Nobody but an admin has to do with controllers.
        let config = parsed(&[servers, controllers]).unwrap();
        assert_eq!(config.endpoint_type, EndpointType::Broker);
        parsed(&[controllers]).unwrap_err();
    }

    #[test]
    fn a_missing_address_is_named() {
        let error = parsed(&[("client.id", "billing")]).unwrap_err();
        assert!(matches!(error, Error::Config(_)));
        assert!(error.to_string().contains("bootstrap.servers"), "{error}");
    }
}
