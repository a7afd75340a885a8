//! ACLs, SCRAM credentials and quotas; and what is refused without permission.

use std::collections::BTreeSet;

use klamm::admin::{
    Acl, AclFilter, AclOperation, AclPermission, AclResourceKind, ConfigChange, ConfigResource,
    Error, NewPartitions, OffsetSpec, PatternKind, QuotaEntity, QuotaFilter, ScramChange,
    ScramMechanism,
};
use klamm::{ErrorCode, NewTopic, Results, TopicPartition};

use super::{CONFIG_COMMAND, admin, kafka, refused, tools, until};

const ACL_COMMAND: &str = "org.apache.kafka.tools.AclCommand";
const ME: &str = "User:ANONYMOUS";

#[tokio::test(flavor = "multi_thread")]
async fn acls_are_created_listed_and_deleted_as_kafkas_tool_sees_them() {
    let admin = admin().await;
    let topic = kafka().unique_topic("orders");
    let group = kafka().unique_topic("billing");
    let read = Acl::allow("User:billing", AclOperation::Read);
    let acls = [
        read.clone().on(AclResourceKind::Topic, &topic),
        read.on(AclResourceKind::Group, &group)
            .from_host("10.0.0.7"),
        Acl::deny("User:shop", AclOperation::All).on_prefix(AclResourceKind::Topic, &topic[..9]),
    ];
    let odd = Acl::allow("nobody", AclOperation::Read).on(AclResourceKind::Topic, &topic);
    let results = admin
        .create_acls(acls.iter().cloned().chain([odd.clone()]))
        .await
        .unwrap();
    assert_eq!(
        refused(results.get(&odd).unwrap().clone()),
        ErrorCode::INVALID_REQUEST
    );
    for acl in &acls {
        results.get(acl).unwrap().as_ref().unwrap();
    }

    let on_topic = AclFilter::any()
        .resource(AclResourceKind::Topic)
        .matching(&topic);
    let found = until("the ACLs", || async {
        let found = admin.describe_acls(on_topic.clone()).await.unwrap();
        (found.len() == 2).then_some(found)
    })
    .await;
    let found: BTreeSet<_> = found.into_iter().collect();
    assert_eq!(found, [acls[0].clone(), acls[2].clone()].into());
    let exactly = admin
        .describe_acls(AclFilter::exactly(acls[1].clone()))
        .await
        .unwrap();
    assert_eq!(exactly, [acls[1].clone()]);
    let denied = AclFilter::any()
        .permission(AclPermission::Deny)
        .principal("User:shop");
    assert_eq!(
        admin.describe_acls(denied).await.unwrap(),
        [acls[2].clone()]
    );
    let printed = tools(|tools| {
        tools
            .tool(
                ACL_COMMAND,
                &format!("--list --topic {topic} --resource-pattern-type match"),
            )
            .tool(ACL_COMMAND, &format!("--list --group {group}"))
    });
    for (acl, printed) in [
        (&acls[0], &printed[0]),
        (&acls[1], &printed[1]),
        (&acls[2], &printed[0]),
    ] {
        let Acl {
            principal,
            host,
            operation,
            permission,
            pattern,
            name,
            ..
        } = acl;
        let line = format!(
            "(principal={principal}, host={host}, operation={operation}, permissionType={permission})"
        );
        assert!(
            printed.text.contains(&line),
            "{line} is not in {}",
            printed.text
        );
        let resource = format!("name={name}, patternType={pattern}");
        assert!(
            printed.text.contains(&resource),
            "{resource} is not in {}",
            printed.text
        );
    }

    let filters = [on_topic, AclFilter::exactly(acls[1].clone())];
    let deleted = admin.delete_acls(filters).await.unwrap().all().unwrap();
    let deleted: BTreeSet<_> = deleted
        .into_iter()
        .flat_map(|it| it.all().unwrap())
        .collect();
    assert_eq!(deleted, acls.into());
    let left = AclFilter::any().named(PatternKind::Any, &topic);
    until("the end of the ACLs", || async {
        admin
            .describe_acls(left.clone())
            .await
            .unwrap()
            .is_empty()
            .then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_denied_something_is_told_so_of_that_alone() {
    let admin = admin().await;
    let prefix = kafka().unique_topic("forbidden");
    let open = kafka().create_topic("open", 1).unwrap();
    let [denied, group, id] = ["topic", "group", "id"].map(|it| format!("{prefix}-{it}"));
    let new = NewTopic::new(&denied).partitions(1);
    admin.create_topics([new]).await.unwrap().all().unwrap();
    let deny = Acl::deny(ME, AclOperation::All);
    let acls = [
        deny.clone().on_prefix(AclResourceKind::Topic, &prefix),
        deny.clone().on_prefix(AclResourceKind::Group, &prefix),
        deny.on_prefix(AclResourceKind::TransactionalId, &prefix),
    ];
    admin.create_acls(acls).await.unwrap().all().unwrap();

    let described = until("the first refusal", || async {
        let described = admin.describe_topics([&denied, &open]).await.unwrap();
        described
            .get(&denied)
            .unwrap()
            .is_err()
            .then_some(described)
    })
    .await;
    let forbidden = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
    assert_eq!(refused(described.get(&denied).unwrap().clone()), forbidden);
    assert!(described.get(&open).unwrap().is_ok());
    let unseen = admin.list_topics().await.unwrap();
    assert!(!unseen.iter().any(|topic| topic.name == denied));
    let partition = TopicPartition::new(denied.as_str(), 0);
    let resource = ConfigResource::topic(&denied);

    // The controller has the ACLs a moment later than the broker.
    until("the controller's refusal", || async {
        let grown = admin.create_partitions([NewPartitions::increase_to(&denied, 3)]);
        let grown = grown.validate_only(true).await.unwrap().all();
        (grown.err()?.code() == Some(forbidden)).then_some(())
    })
    .await;
    // Deleting is left out: whoever may delete in the cluster, as all may here, may delete any topic, whatever its ACLs.
    let offsets = admin
        .list_offsets([(partition.clone(), OffsetSpec::Latest)])
        .await
        .unwrap();
    assert_eq!(refused(offsets.all()), forbidden);
    let records = admin
        .delete_records([(partition.clone(), 0)])
        .await
        .unwrap();
    assert_eq!(refused(records.all()), forbidden);
    let producers = admin.describe_producers([partition.clone()]).await.unwrap();
    assert_eq!(refused(producers.all()), forbidden);
    assert_eq!(
        refused(admin.describe_config(resource.clone()).await),
        forbidden
    );
    let change = vec![ConfigChange::set("retention.ms", "1")];
    let altered = admin.alter_configs([(resource, change)]).await.unwrap();
    assert_eq!(refused(altered.all()), forbidden);

    let forbidden = ErrorCode::GROUP_AUTHORIZATION_FAILED;
    let described = admin.describe_consumer_groups([&group]).await.unwrap();
    assert_eq!(refused(described.all()), forbidden);
    let described = admin.describe_share_groups([&group]).await.unwrap();
    assert_eq!(refused(described.all()), forbidden);
    let offsets = admin.list_group_offsets([&group]).await.unwrap();
    assert_eq!(refused(offsets.all().map(drop)), forbidden);
    let open = TopicPartition::new(open.as_str(), 0);
    let offsets = admin
        .alter_group_offsets(&group, [(open.clone(), 0)])
        .await
        .unwrap();
    assert_eq!(refused(offsets.all()), forbidden);
    let offsets = admin
        .delete_group_offsets(&group, [open.clone()])
        .await
        .unwrap();
    assert_eq!(refused(offsets.all()), forbidden);
    assert_eq!(
        refused(admin.delete_groups([&group]).await.unwrap().all()),
        forbidden
    );

    let described = admin.describe_classic_groups([&group]).await.unwrap();
    assert_eq!(refused(described.all()), forbidden);
    assert_eq!(refused(admin.group_lag(&group).await), forbidden);
    let removed = admin.remove_all_members(&group, "").await;
    assert_eq!(refused(removed.and_then(Results::all)), forbidden);
    let offsets = admin.list_share_group_offsets([&group]).await.unwrap();
    assert_eq!(refused(offsets.all().map(drop)), forbidden);
    let offsets = admin.alter_share_group_offsets(&group, [(open.clone(), 0)]);
    assert_eq!(refused(offsets.await.and_then(Results::all)), forbidden);
    let offsets = admin.delete_share_group_offsets(&group, [&*open.topic]);
    assert_eq!(refused(offsets.await.and_then(Results::all)), forbidden);

    let forbidden = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    let ended = admin.force_terminate_transaction(&id).await;
    assert_eq!(refused(ended), forbidden);
    let described = admin.describe_transactions([&id]).await.unwrap();
    assert_eq!(refused(described.all()), forbidden);
    assert_eq!(
        refused(admin.fence_producers([&id]).await.unwrap().all()),
        forbidden
    );

    let of_test = AclFilter::any().named(PatternKind::Prefixed, &prefix);
    admin.delete_acls([of_test]).await.unwrap().all().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn scram_credentials_are_set_and_deleted_as_kafkas_tool_sees_them() {
    let admin = admin().await;
    let user = kafka().unique_topic("alice");
    let changes = [
        ScramChange::set(&user, ScramMechanism::Sha256, "her password").iterations(8192),
        ScramChange::set(&user, ScramMechanism::Sha512, "her password"),
    ];
    assert!(!format!("{changes:?}").contains("password"));
    admin
        .alter_scram_credentials(changes)
        .await
        .unwrap()
        .all()
        .unwrap();
    let credentials = until("the credentials", || async {
        let described = admin
            .describe_scram_credentials(Some(vec![&user]))
            .await
            .unwrap();
        let credentials = described.all().ok()?.remove(0);
        (credentials.len() == 2).then_some(credentials)
    })
    .await;
    let printed = tools(|tools| {
        tools.tool(
            CONFIG_COMMAND,
            &format!("--describe --entity-type users --entity-name {user}"),
        )
    });
    for credential in credentials {
        let expected = format!(
            "{}=iterations={}",
            credential.mechanism, credential.iterations
        );
        assert!(
            printed[0].text.contains(&expected),
            "{expected} is not in {}",
            printed[0].text
        );
    }

    let all = admin
        .describe_scram_credentials(None::<Vec<String>>)
        .await
        .unwrap();
    assert!(all.get(&user).is_some());
    let none = admin.describe_scram_credentials(Some(Vec::<String>::new()));
    assert!(none.await.unwrap().is_empty());
    let missing = admin
        .describe_scram_credentials(Some(vec!["nobody"]))
        .await
        .unwrap();
    assert_eq!(refused(missing.all()), ErrorCode::RESOURCE_NOT_FOUND);
    let results = admin
        .alter_scram_credentials([
            ScramChange::delete(&user, ScramMechanism::Sha256),
            ScramChange::delete("nobody", ScramMechanism::Sha256),
            ScramChange::set("weak", ScramMechanism::Sha256, "x").iterations(1),
        ])
        .await
        .unwrap();
    let code = |user: &str| {
        results
            .get(user)
            .unwrap()
            .as_ref()
            .err()
            .and_then(Error::code)
    };
    assert_eq!(code(&user), None);
    assert_eq!(code("nobody"), Some(ErrorCode::RESOURCE_NOT_FOUND));
    assert_eq!(code("weak"), Some(ErrorCode::UNACCEPTABLE_CREDENTIAL));
    admin
        .alter_scram_credentials([ScramChange::delete(&user, ScramMechanism::Sha512)])
        .await
        .unwrap()
        .all()
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn quotas_are_set_and_taken_away_as_kafkas_tool_sees_them() {
    let admin = admin().await;
    let user = kafka().unique_topic("alice");
    let shop = QuotaEntity::user(&user).and_client_id("shop");
    let entities = [
        QuotaEntity::user(&user),
        shop.clone(),
        QuotaEntity::ip("10.1.2.3"),
    ];
    let rate = |name, value| [(name, Some(value))];
    let changes = [
        (entities[0].clone(), rate("producer_byte_rate", 1024.0)),
        (shop.clone(), rate("request_percentage", 12.5)),
        (entities[2].clone(), rate("connection_creation_rate", 7.0)),
    ];
    let validated = admin.alter_quotas(changes.clone()).validate_only(true);
    validated.await.unwrap().all().unwrap();
    admin.alter_quotas(changes).await.unwrap().all().unwrap();

    let of_user = QuotaFilter::any().user(&user);
    let quotas = until("the quotas", || async {
        let quotas = admin.describe_quotas(of_user.clone()).await.unwrap();
        (quotas.len() == 2).then_some(quotas)
    })
    .await;
    assert_eq!(quotas[&shop]["request_percentage"].to_string(), "12.5");
    let exactly = admin
        .describe_quotas(QuotaFilter::exactly(&entities[0]))
        .await
        .unwrap();
    assert_eq!(exactly.len(), 1);
    assert!(
        admin
            .describe_quotas(QuotaFilter::any().ips())
            .await
            .unwrap()
            .contains_key(&entities[2])
    );
    let printed = tools(|tools| {
        let user = format!("--describe --entity-type users --entity-name {user}");
        tools.tool(CONFIG_COMMAND, &user).tool(
            CONFIG_COMMAND,
            &format!("{user} --entity-type clients --entity-name shop"),
        )
    });
    assert!(
        printed[0].text.contains("producer_byte_rate=1024.0"),
        "{}",
        printed[0].text
    );
    assert!(
        printed[1].text.contains("request_percentage=12.5"),
        "{}",
        printed[1].text
    );

    let odd = admin
        .alter_quotas([(shop.clone(), rate("no_such_rate", 1.0))])
        .await
        .unwrap();
    assert_eq!(refused(odd.all()), ErrorCode::INVALID_REQUEST);
    let none = [
        (entities[0].clone(), [("producer_byte_rate", None)]),
        (shop, [("request_percentage", None)]),
        (entities[2].clone(), [("connection_creation_rate", None)]),
    ];
    admin.alter_quotas(none).await.unwrap().all().unwrap();
    until("the end of the quotas", || async {
        admin
            .describe_quotas(of_user.clone())
            .await
            .unwrap()
            .is_empty()
            .then_some(())
    })
    .await;
}
