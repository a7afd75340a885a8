//! What a user relies on when handing in properties.

mod java;
mod librdkafka;
mod security;
mod table_rows;

use std::time::Duration;

use proptest::prelude::*;

use super::{ConfigError, Fault, Problem, PropertySet, Role, alias, table};

const ROLES: [Role; 4] = [Role::Client, Role::Producer, Role::Consumer, Role::Admin];

fn parse(role: Role, properties: &[(&str, &str)]) -> Result<PropertySet, ConfigError> {
    PropertySet::parse(role, properties.iter().copied())
}

fn problems(role: Role, properties: &[(&str, &str)]) -> Vec<Problem> {
    parse(role, properties)
        .expect_err("must be refused")
        .problems()
        .to_vec()
}

fn only_problem(role: Role, properties: &[(&str, &str)]) -> Problem {
    let problems = problems(role, properties);
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems[0].clone()
}

fn warnings(role: Role, properties: &[(&str, &str)]) -> Vec<String> {
    parse(role, properties).unwrap().warnings().to_vec()
}

fn is_not_implemented(problem: &Problem) -> bool {
    matches!(problem.fault(), Fault::NotImplemented { .. })
}

#[test]
fn values_partly_implemented_say_what_is_accepted() {
    let cases = [("share.acknowledgement.mode", "explicit", "implicit")];
    for (name, value, accepted) in cases {
        let problem = only_problem(Role::Consumer, &[(name, value)]);
        let expected = format!(
            "{name} = \"{value}\": known to Kafka, not implemented by klamm yet; accepted: {accepted}"
        );
        assert_eq!(problem.to_string(), expected);
    }
}

#[test]
fn unknown_names_are_refused_with_the_nearest_known_one() {
    let problem = only_problem(Role::Producer, &[("compresion.type", "lz4")]);
    assert_eq!(
        problem.fault(),
        &Fault::Unknown {
            nearest: Some("compression.type")
        }
    );
    assert_eq!(
        problem.to_string(),
        "compresion.type: no such property, did you mean compression.type?"
    );
    let problem = only_problem(Role::Producer, &[("spring.kafka.whatever", "1")]);
    assert_eq!(problem.fault(), &Fault::Unknown { nearest: None });
}

#[test]
fn names_are_case_sensitive() {
    let problem = only_problem(Role::Producer, &[("ACKS", "all")]);
    assert_eq!(
        problem.fault(),
        &Fault::Unknown {
            nearest: Some("acks")
        }
    );
}

#[test]
fn all_problems_are_reported_at_once() {
    let error = parse(
        Role::Consumer,
        &[
            ("bootstrap.servers", "a:9092,,b:9092"),
            ("fetch.min.bytes", "many"),
            ("gruop.id", "g"),
            ("ssl.keystore.type", "JKS"),
            ("group.protocol", "consumer"),
            ("session.timeout.ms", "10000"),
        ],
    )
    .unwrap_err();
    let properties: Vec<_> = error.problems().iter().map(Problem::property).collect();
    let found = [
        "gruop.id",
        "bootstrap.servers",
        "fetch.min.bytes",
        "ssl.keystore.type",
    ];
    assert_eq!(properties[..4], found);
    assert_eq!(
        properties[4..],
        ["group.protocol"],
        "the conflict with session.timeout.ms"
    );
    let text = error.to_string();
    assert!(
        text.starts_with("invalid configuration, 5 problems:\n- "),
        "{text}"
    );
    assert!(
        text.contains("fetch.min.bytes = \"many\": must be a whole number from 0 to 2147483647"),
        "{text}"
    );
}

#[test]
fn numbers_outside_their_range_are_refused_never_clamped() {
    let refused = [
        ("acks", "2"),
        ("linger.ms", "-1"),
        ("linger.ms", "0.5"),
        ("linger.ms", "9223372036854775808"),
        ("batch.size", "2147483648"),
        ("max.in.flight.requests.per.connection", "0"),
        ("compression.gzip.level", "0"),
        ("compression.gzip.level", "10"),
        ("compression.lz4.level", "18"),
        ("compression.zstd.level", "23"),
        ("compression.type", "LZ4"),
        ("enable.idempotence", "yes"),
        ("metadata.max.idle.ms", "4999"),
        ("send.buffer.bytes", "-2"),
    ];
    for (name, value) in refused {
        let problem = only_problem(Role::Producer, &[(name, value)]);
        assert!(
            matches!(problem.fault(), Fault::NotAllowed { .. }),
            "{problem}"
        );
        assert_eq!((problem.property(), problem.value()), (name, Some(value)));
    }
    let allowed = [
        ("linger.ms", "9223372036854775807"),
        ("batch.size", "2147483647"),
        ("compression.gzip.level", "-1"),
        ("compression.zstd.level", "-131072"),
        ("compression.lz4.level", "17"),
        ("acks", "-1"),
    ];
    for (name, value) in allowed {
        parse(Role::Producer, &[(name, value)]).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn getters_give_each_type() {
    let properties = [
        ("client.id", "  billing "),
        ("enable.auto.commit", "FALSE"),
        ("fetch.max.wait.ms", "250"),
        ("fetch.max.bytes", " 1024 "),
        ("bootstrap.servers", " a:1 , [::1]:2,c "),
        ("connections.max.idle.ms", "-1"),
        ("sasl.login.refresh.window.factor", "0.80"),
        (
            "partition.assignment.strategy",
            "org.apache.kafka.clients.consumer.RangeAssignor",
        ),
    ];
    let set = parse(Role::Consumer, &properties).unwrap();
    assert_eq!(set.role(), Role::Consumer);
    assert_eq!(set.str("client.id"), Some("billing"));
    assert_eq!(set.string("client.id"), Some("billing".to_owned()));
    assert_eq!(set.bool("enable.auto.commit"), Some(false));
    assert_eq!(
        set.duration_ms("fetch.max.wait.ms"),
        Some(Duration::from_millis(250))
    );
    assert_eq!(set.i32("fetch.max.bytes"), Some(1024));
    assert_eq!(set.i64("fetch.max.bytes"), Some(1024));
    assert_eq!(set.u64("fetch.max.bytes"), Some(1024));
    assert_eq!(set.usize("fetch.max.bytes"), Some(1024));
    assert_eq!(
        set.list("bootstrap.servers"),
        Some(vec!["a:1".into(), "[::1]:2".into(), "c".into()])
    );
    assert_eq!(
        set.list("partition.assignment.strategy"),
        Some(vec!["range".into()])
    );
    assert_eq!(set.f64("sasl.login.refresh.window.factor"), Some(0.8));
    assert_eq!(
        (
            set.i64("connections.max.idle.ms"),
            set.duration_ms("connections.max.idle.ms")
        ),
        (Some(-1), None)
    );
    assert!(set.is_set("client.id"));
    assert!(!set.is_set("group.id"));
    assert_eq!(set.i32("max.poll.records"), None);
}

#[test]
#[should_panic(expected = "is no property of the table")]
#[cfg(debug_assertions)]
fn asking_for_a_name_outside_the_table_is_a_bug() {
    parse(Role::Client, &[]).unwrap().is_set("no.such.name");
}

#[test]
fn the_last_of_several_values_counts() {
    let set = parse(Role::Producer, &[("acks", "0"), ("acks", "all")]).unwrap();
    assert_eq!(set.str("acks"), Some("all"));
}

#[test]
fn a_property_of_another_role_is_a_warning_whatever_its_value() {
    let set = parse(
        Role::Producer,
        &[
            ("group.id", "g"),
            ("isolation.level", "read_committed"),
            ("acks", "1"),
        ],
    )
    .unwrap();
    let expected = [
        "group.id is a property of consumer, the producer does not use it",
        "isolation.level is a property of consumer, the producer does not use it",
    ];
    assert_eq!(set.warnings(), expected);
    assert!(!set.is_set("group.id"));
}

#[test]
fn an_ignored_property_is_checked_and_warned_of() {
    let warnings = warnings(
        Role::Producer,
        &[("buffer.memory.allocation.strategy", "FULL")],
    );
    assert_eq!(
        warnings,
        [
            "buffer.memory.allocation.strategy is ignored: klamm always allocates as records are written"
        ]
    );
    let problem = only_problem(
        Role::Producer,
        &[("buffer.memory.allocation.strategy", "half")],
    );
    assert!(matches!(problem.fault(), Fault::NotAllowed { .. }));
}

#[test]
fn names_with_a_prefix_of_the_application_are_passed_over() {
    let properties = [("x.anything", "1"), ("acks", "all"), ("y.z", "2")];
    let error = PropertySet::parse_except(Role::Producer, &["x."], properties).unwrap_err();
    assert_eq!(error.problems().len(), 1);
    assert_eq!(error.problems()[0].property(), "y.z");
    assert!(
        PropertySet::parse_except(Role::Producer, &["x.", "y."], properties)
            .unwrap()
            .warnings()
            .is_empty()
    );
}

#[test]
fn settings_of_the_classic_protocol_conflict_with_the_consumer_protocol() {
    let properties = [
        ("group.protocol", "consumer"),
        ("session.timeout.ms", "45000"),
        ("heartbeat.interval.ms", "3000"),
        ("partition.assignment.strategy", "range"),
    ];
    let conflicts = |problems: Vec<Problem>| {
        problems
            .iter()
            .filter(|problem| matches!(problem.fault(), Fault::Conflict { .. }))
            .count()
    };
    assert_eq!(conflicts(problems(Role::Consumer, &properties)), 3);
    assert_eq!(
        conflicts(problems(
            Role::Consumer,
            &[("group.remote.assignor", "uniform")]
        )),
        1
    );
    let both = [
        ("group.remote.assignor", "uniform"),
        ("group.protocol", "consumer"),
    ];
    parse(Role::Consumer, &both).unwrap();
}

#[test]
fn two_phase_commit_excludes_a_transaction_timeout() {
    let properties = [
        ("transaction.two.phase.commit.enable", "true"),
        ("transaction.timeout.ms", "60000"),
    ];
    let problems = problems(Role::Producer, &properties);
    assert!(
        problems
            .iter()
            .any(|problem| matches!(problem.fault(), Fault::Conflict { .. })),
        "{problems:?}"
    );
}

fn any_name() -> impl Strategy<Value = String> {
    let known: Vec<String> = table::all()
        .map(|row| row.name)
        .chain(alias::all().map(|(alias, _)| alias))
        .map(str::to_owned)
        .collect();
    prop_oneof![4 => prop::sample::select(known), 1 => "(?s).{0,30}"]
}

fn any_value() -> impl Strategy<Value = String> {
    let words = [
        "",
        "true",
        "-1",
        "0",
        "5",
        "consumer",
        "zstd",
        "SASL_SSL",
        "by_duration:",
        "[",
        "[:",
        ":",
        ",",
        "%",
    ];
    prop_oneof![
        prop::sample::select(words.map(str::to_owned).to_vec()),
        "(?s).{0,20}",
        any::<i64>().prop_map(|n| n.to_string())
    ]
}

proptest! {
    #[test]
    fn no_pairs_of_strings_panic(
        role in prop::sample::select(ROLES.to_vec()),
        properties in prop::collection::vec((any_name(), any_value()), 0..12),
    ) {
        match PropertySet::parse(role, properties) {
            Ok(set) => {
                let debug = format!("{set:?}");
                prop_assert!(!debug.is_empty());
            }
            Err(error) => prop_assert!(!error.problems().is_empty() && !error.to_string().is_empty()),
        }
    }
}
