//! Configurations.

use klamm::admin::{
    ConfigChange, ConfigResource, ConfigResourceKind, ConfigSource, ConfigType, Configs,
};
use klamm::{ErrorCode, NodeId};

use super::{CONFIG_COMMAND, admin, kafka, refused, tools, until};

async fn set_ones(admin: &klamm::Admin, resource: &ConfigResource) -> Vec<(String, String)> {
    let described = admin.describe_config(resource.clone()).await.unwrap();
    let set = |configs: Configs| {
        let set = configs.into_values().filter(|entry| {
            let everywhere = [
                ConfigSource::Default,
                ConfigSource::StaticBroker,
                ConfigSource::AllBrokers,
                ConfigSource::Unknown,
            ];
            !everywhere.contains(&entry.source)
        });
        set.map(|entry| (entry.name, entry.value.unwrap_or_default()))
            .collect()
    };
    set(described)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topics_configuration_is_altered_as_kafkas_tool_sees_it() {
    let admin = admin().await;
    let name = kafka().create_topic("configured", 1).unwrap();
    let topic = ConfigResource::topic(&name);
    let set = vec![
        ConfigChange::set("retention.ms", "1234567"),
        ConfigChange::append("cleanup.policy", "compact"),
    ];
    let validated = admin
        .alter_configs([(topic.clone(), set.clone())])
        .validate_only(true);
    validated.await.unwrap().all().unwrap();
    assert!(set_ones(&admin, &topic).await.is_empty());
    admin
        .alter_configs([(topic.clone(), set)])
        .await
        .unwrap()
        .all()
        .unwrap();
    let set = until("the new values", || async {
        let set = set_ones(&admin, &topic).await;
        (set.len() == 2).then_some(set)
    })
    .await;
    let printed = tools(|tools| {
        let entity = format!("--entity-type topics --entity-name {name}");
        tools.tool(CONFIG_COMMAND, &format!("{entity} --describe"))
    });
    for (name, value) in &set {
        let line = format!("{name}={value} ");
        assert!(
            printed[0].text.contains(&line),
            "{line:?} is not in {}",
            printed[0].text
        );
    }

    let asked = admin
        .describe_configs([topic.clone()])
        .names(["retention.ms", "cleanup.policy"]);
    let asked = asked.synonyms(true).documentation(true).await.unwrap();
    let described = asked.all().unwrap().remove(0);
    assert_eq!(described.len(), 2);
    let retention = &described["retention.ms"];
    assert_eq!(retention.source, ConfigSource::Topic);
    assert_eq!(retention.value_type, ConfigType::Long);
    assert!(
        retention
            .documentation
            .as_ref()
            .unwrap()
            .contains("retention")
    );
    let default = described["cleanup.policy"].synonyms.last().unwrap();
    assert_eq!(
        (default.source, default.name.as_str()),
        (ConfigSource::Default, "log.cleanup.policy")
    );

    let back = vec![
        ConfigChange::delete("retention.ms"),
        ConfigChange::subtract("cleanup.policy", "compact"),
    ];
    admin
        .alter_configs([(topic.clone(), back)])
        .await
        .unwrap()
        .all()
        .unwrap();
    until("the old values", || async {
        let set = set_ones(&admin, &topic).await;
        (set == [("cleanup.policy".to_owned(), "delete".to_owned())]).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_loggers_groups_and_metrics_have_configurations_too() {
    let admin = admin().await;
    let node = kafka().node(0).id();
    let broker = ConfigResource::broker(NodeId(node));
    let static_ones = admin.describe_config(broker.clone()).await.unwrap();
    assert_eq!(
        static_ones["process.roles"].source,
        ConfigSource::StaticBroker
    );
    assert!(static_ones["process.roles"].is_read_only);

    let loggers = ConfigResource::broker_logger(NodeId(node));
    let level = |name: &str| vec![ConfigChange::set(name, "ERROR")];
    let group = ConfigResource::group(kafka().unique_topic("group"));
    let timeout = vec![ConfigChange::set("consumer.session.timeout.ms", "46000")];
    let metrics = ConfigResource::client_metrics(kafka().unique_topic("metrics"));
    let interval = vec![ConfigChange::set("interval.ms", "30000")];
    let threads = vec![ConfigChange::set("log.cleaner.threads", "2")];
    let changes = [
        (broker.clone(), threads),
        (group.clone(), timeout),
        (metrics.clone(), interval),
    ];
    let altered = admin.alter_configs(changes).await.unwrap();
    altered.all().unwrap();
    for (resource, name, value, source) in [
        (&broker, "log.cleaner.threads", "2", ConfigSource::Broker),
        (
            &group,
            "consumer.session.timeout.ms",
            "46000",
            ConfigSource::Group,
        ),
        (
            &metrics,
            "interval.ms",
            "30000",
            ConfigSource::ClientMetrics,
        ),
    ] {
        until(name, || async {
            let described = admin.describe_config(resource.clone()).await.unwrap();
            let entry = described.get(name)?;
            (entry.value.as_deref() == Some(value) && entry.source == source).then_some(())
        })
        .await;
    }
    let root = admin.alter_configs([(loggers.clone(), level("root"))]);
    root.await.unwrap().all().unwrap();
    let levels = admin.describe_config(loggers.clone()).await.unwrap();
    assert_eq!(levels["root"].value.as_deref(), Some("ERROR"));
    assert_eq!(levels["root"].source, ConfigSource::BrokerLogger);
    let odd = admin.alter_configs([(loggers, level("no.such.logger"))]);
    assert_eq!(refused(odd.await.unwrap().all()), ErrorCode::INVALID_CONFIG);
    for resource in [group, metrics] {
        let listed = admin.list_config_resources([resource.kind]).await.unwrap();
        assert!(listed.contains(&resource), "{listed:?}");
    }
    let kinds = admin.list_config_resources([]).await.unwrap();
    assert!(kinds.iter().any(|it| it.kind == ConfigResourceKind::Broker));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impossible_configuration_is_refused_and_hides_no_possible_one() {
    let admin = admin().await;
    let good = ConfigResource::topic(kafka().create_topic("configured", 1).unwrap());
    let bad = ConfigResource::topic(kafka().create_topic("configured", 1).unwrap());
    let nowhere = ConfigResource::topic("nowhere");
    let results = admin
        .alter_configs([
            (
                good.clone(),
                vec![ConfigChange::set("retention.ms", "5000")],
            ),
            (bad.clone(), vec![ConfigChange::set("retention.ms", "long")]),
            (
                nowhere.clone(),
                vec![ConfigChange::set("retention.ms", "5000")],
            ),
        ])
        .await
        .unwrap();
    let code = |resource| {
        results
            .get(resource)
            .unwrap()
            .as_ref()
            .err()
            .and_then(klamm::admin::Error::code)
    };
    assert_eq!(code(&good), None);
    assert_eq!(code(&bad), Some(ErrorCode::INVALID_CONFIG));
    assert_eq!(code(&nowhere), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    let described = admin.describe_config(nowhere).await;
    assert_eq!(refused(described), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}
