//! A day's work on Apache Kafka, beside Kafka's own tools.

mod three_nodes;
mod verify;
mod walk;

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use klamm_tests::{Action, Kafka, Rule};
use serde_json::Value;

const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const CONFIGS: &str = "kafka.admin.ConfigCommand";
const OFFSETS: &str = "org.apache.kafka.tools.GetOffsetShell";
const ACLS: &str = "org.apache.kafka.tools.AclCommand";

/// The number of the API.
const LIST_TRANSACTIONS: i16 = 66;

const AUTHORIZER: &str = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";

/// The command, at a broker or a controller.
struct Klamm {
    /// The option that says where.
    option: &'static str,
    bootstrap: String,
}

struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Klamm {
    fn at(bootstrap: String) -> Self {
        Self {
            option: "-b",
            bootstrap,
        }
    }

    fn run(&self, line: &str, input: &str) -> Ended {
        let mut child = Command::new(env!("CARGO_BIN_EXE_klamm"))
            .args(line.split_whitespace())
            .args([self.option, &self.bootstrap])
            .env_remove("KLAMM_BOOTSTRAP")
            .env_remove("KLAMM_CONFIG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A process that ends without reading closes the pipe.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// As [`Klamm::run`]; it has to succeed.
    fn does(&self, line: &str, input: &str) -> String {
        let ended = self.run(line, input);
        assert_eq!(
            ended.code,
            Some(0),
            "{line}: {}{}",
            ended.stdout,
            ended.stderr
        );
        ended.stdout
    }

    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.does(&format!("{line} --json"), "")).unwrap()
    }
}

fn started() -> Kafka {
    let login = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
    Kafka::builder()
        .property("authorizer.class.name", AUTHORIZER)
        .property("allow.everyone.if.no.acl.found", true)
        .property("super.users", "User:ANONYMOUS")
        .proxied()
        .listener("SECURE", "SASL_PLAINTEXT")
        .property("sasl.enabled.mechanisms", "SCRAM-SHA-512")
        .property("listener.name.secure.scram-sha-512.sasl.jaas.config", login)
        .start()
        .expect("a broker for the command")
}

/// What Kafka's tools print, one line of class and arguments each.
fn tools(kafka: &Kafka, lines: &[(&str, &str)]) -> Vec<String> {
    let tools = kafka.java_tools().unwrap();
    let tools = lines.iter().fold(tools, |tools, (class, arguments)| {
        tools.tool(class, arguments)
    });
    let printed = tools.run().unwrap().into_iter();
    printed.map(|printed| printed.text).collect()
}

/// The lag that Kafka's tool tells of a group, all partitions together.
fn lag(printed: &str) -> i64 {
    let headings = printed.lines().find(|line| line.starts_with("GROUP"));
    let mut headings = headings.expect("a table").split_whitespace();
    let column = headings.position(|heading| heading == "LAG").unwrap();
    let lines = printed.lines().filter(|line| line.starts_with("billing"));
    let lags = lines.filter_map(|line| line.split_whitespace().nth(column)?.parse::<i64>().ok());
    lags.sum()
}

/// Looks until it is so: brokers learn of changes of the metadata a moment later.
fn until(what: &str, mut look: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !look() {
        assert!(Instant::now() < deadline, "{what}: not within 30 s");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_days_work() {
    let kafka = started();
    let klamm = Klamm::at(kafka.bootstrap());
    records_and_groups(&kafka, &klamm);
    configs_and_records(&kafka, &klamm);
    transactions_shares_and_moves(&kafka, &klamm);
    hanging(&kafka, &klamm);
    security(&kafka, &klamm);
    controllers(&kafka, &klamm);
    cluster(&klamm);
}

fn records_and_groups(kafka: &Kafka, klamm: &Klamm) {
    klamm.does("topics create orders -p 3 -c retention.ms=3600000", "");
    let input = |from: i32, to: i32| -> String {
        let lines = (from..to).map(|number| format!("k{number}:{number}\n"));
        lines.collect::<Vec<_>>().concat()
    };
    klamm.does("produce orders -K : -H source=test", &input(0, 12));
    let read = klamm.does("consume orders -G billing -e", "");
    assert_eq!(read.lines().count(), 12);
    klamm.does("produce orders -K :", &input(12, 30));
    let groups = klamm.json("groups describe billing");
    assert_eq!(groups[0]["lag"], 18);
    assert_eq!(klamm.json("lag billing")[0]["lag"], 18);
    let topics = klamm.json("topics describe orders");
    assert_eq!(topics[0]["configs"]["retention.ms"], "3600000");
    let plan = klamm.run("groups reset billing --topic orders --to -2", "");
    assert!(
        plan.stderr.contains("nothing was changed"),
        "{}",
        plan.stderr
    );
    let describe = "--describe --group billing";
    let printed = tools(
        kafka,
        &[(GROUPS, describe), (TOPICS, "--describe --topic orders")],
    );
    assert_eq!(lag(&printed[0]), 18, "{}", printed[0]);
    let id = topics[0]["id"].as_str().unwrap();
    assert!(
        printed[1].contains(&format!("TopicId: {id}")),
        "{}",
        printed[1]
    );
    assert!(
        printed[1].contains("retention.ms=3600000"),
        "{}",
        printed[1]
    );
    klamm.does("groups reset billing --topic orders --to -2 --execute", "");
    let printed = tools(kafka, &[(GROUPS, describe)]);
    assert_eq!(lag(&printed[0]), 6, "{}", printed[0]);
    assert_eq!(klamm.json("lag billing")[0]["lag"], 6);
    klamm.does("groups delete-offsets billing --topic orders:0-1 --yes", "");
    let groups = klamm.json("groups describe billing");
    assert_eq!(groups[0]["partitions"].as_array().unwrap().len(), 1);
    members(klamm);
    klamm.does("groups delete billing --yes", "");
    let missing = klamm.run("groups describe billing", "");
    assert_eq!(missing.code, Some(1));
    assert!(
        missing.stderr.contains("no group billing"),
        "{}",
        missing.stderr
    );
}

/// A member of a group is put out, and comes back.
fn members(klamm: &Klamm) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_klamm"))
        .args(["consume", "orders", "-G", "billing", "-b", &klamm.bootstrap])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let member = || {
        let members = klamm.json("groups members billing");
        let member = members[0]["member"].as_str();
        member
            .filter(|_| members[0]["partitions"] == 3)
            .map(str::to_owned)
    };
    until("the group has a member", || member().is_some());
    let before = member().unwrap();
    klamm.does(
        &format!("groups remove-members billing --member {before} -y"),
        "",
    );
    until("the member is another", || {
        member().is_some_and(|member| member != before)
    });
    klamm.does("groups remove-members billing --all --yes", "");
    child.kill().unwrap();
    child.wait().unwrap();
    until("the group is empty", || {
        let all = klamm.run("groups remove-members billing --all --yes", "");
        all.stderr.contains("has no members")
    });
}

/// A transaction is seen as a whole; a share group, and what is moved and led where.
fn transactions_shares_and_moves(kafka: &Kafka, klamm: &Klamm) {
    let committed = "consume orders -p 0 -o -2 -e -X isolation.level=read_committed";
    klamm.does(
        "produce orders -p 0 --transactional-id shop",
        "both\nor none\n",
    );
    assert!(klamm.does(committed, "").ends_with("or none\n"));
    let odd = "produce orders -p 0 --transactional-id shop --json-input --json";
    let failed = klamm.run(odd, "{\"value\":\"lost\"}\nthis is no JSON\n");
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    assert!(failed.stderr.contains("aborted"), "{}", failed.stderr);
    let told = klamm_json(&failed.stdout);
    assert_eq!(told["partial"], true);
    assert!(!klamm.does(committed, "").contains("lost"));
    let listed = klamm.json("transactions");
    assert_eq!(listed[0]["transactional_id"], "shop");

    let share = "org.apache.kafka.tools.consumer.ConsoleShareConsumer";
    let arguments = "--topic orders --group sharers --timeout-ms 3000";
    tools(kafka, &[(share, arguments)]);
    let groups = klamm.json("groups describe sharers");
    assert_eq!(groups[0]["type"], "share");
    assert_eq!(groups[0]["partitions"][0]["topic"], "orders");
    let lag = klamm.run("lag sharers", "");
    assert_eq!(lag.code, Some(1), "{}", lag.stdout);

    klamm.does("reassign start orders --to 1 --yes --wait", "");
    let nowhere = klamm.run("reassign start orders:0 --to 9 --yes --wait", "");
    assert_eq!(nowhere.code, Some(1), "{}", nowhere.stderr);
    assert!(!nowhere.stderr.contains("in place"), "{}", nowhere.stderr);
    assert!(
        nowhere.stderr.contains("INVALID_REPLICA_ASSIGNMENT"),
        "{}",
        nowhere.stderr
    );
    let elected = klamm.json("elect orders");
    assert_eq!(elected[0]["elected"], false);
    klamm.does("elect --all", "");
    klamm.does("elect --all --unclean --yes", "");
}

/// A transaction that hangs holds up whoever reads what is committed, is found, and is aborted.
fn hanging(kafka: &Kafka, klamm: &Klamm) {
    const PRODUCER_ID: i64 = 4_711_000;
    let verification = "broker 1 transaction.partition.verification.enable";
    klamm.does("topics create hung -p 1", "");
    klamm.does("produce hung", "before\n");
    klamm.does(&format!("configs set {verification}=false"), "");
    until("a record of nobody's transaction is taken", || {
        let node = kafka.node(0);
        node.hang_transaction("hung", 0, PRODUCER_ID).unwrap()
    });
    klamm.does(&format!("configs delete {verification}"), "");
    klamm.does("produce hung", "behind\n");
    let committed = "consume hung -e -X isolation.level=read_committed";
    assert_eq!(klamm.does(committed, ""), "before\n");

    let young = klamm.json("transactions hanging hung --longer-than 2h");
    assert_eq!(young.as_array().unwrap().len(), 0);
    let found = klamm.json("transactions hanging hung");
    let [found] = found.as_array().unwrap().as_slice() else {
        panic!("{found:#}");
    };
    assert_eq!(
        (&found["topic"], &found["start_offset"]),
        (&"hung".into(), &1.into())
    );
    assert_eq!(found["producer_id"], PRODUCER_ID);
    // Where a coordinator does not tell what it knows, nothing is said to hang.
    let proxy = kafka.proxy(1);
    proxy.inject(Rule::request(LIST_TRANSACTIONS, Action::Cut).always());
    let doubtful = Klamm::at(kafka.proxied_bootstrap());
    let hanging = "transactions hanging hung -X default.api.timeout.ms=2000";
    let unknown = doubtful.run(hanging, "");
    proxy.clear();
    assert_eq!((unknown.code, &*unknown.stdout), (Some(1), ""));
    let told = "it can't be told what hangs";
    assert!(unknown.stderr.contains(told), "{}", unknown.stderr);

    let abort = |offset: i64, more: &str| {
        let line = format!("transactions abort hung:0 --start-offset {offset} {more}");
        klamm.run(&line, "")
    };
    assert_eq!(abort(1, "").code, Some(2), "there is nobody to ask");
    let elsewhere = abort(0, "--yes");
    assert_eq!(elsewhere.code, Some(1), "{}", elsewhere.stderr);
    assert!(
        elsewhere.stderr.contains("offset 0"),
        "{}",
        elsewhere.stderr
    );
    let aborted = klamm_json(&abort(1, "--yes --json").stdout);
    assert_eq!(aborted[0]["producer_id"], PRODUCER_ID);
    until("readers go on", || {
        klamm.does(committed, "") == "before\nbehind\n"
    });
    assert_eq!(
        klamm
            .json("transactions hanging hung")
            .as_array()
            .unwrap()
            .len(),
        0
    );
    klamm.does("topics delete hung --yes", "");
}

fn configs_and_records(kafka: &Kafka, klamm: &Klamm) {
    klamm.does(
        "configs set topic orders cleanup.policy=delete max.message.bytes=2000000",
        "",
    );
    klamm.does(
        "configs set topic orders --append cleanup.policy=compact --validate-only",
        "",
    );
    klamm.does("configs delete topic orders retention.ms", "");
    let refused = klamm.run("configs set topic orders retention.ms=soon", "");
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stderr.contains("INVALID_CONFIG"),
        "{}",
        refused.stderr
    );
    klamm.does("configs describe broker 1 --all", "");
    klamm.does("records delete orders --before end --yes", "");
    klamm.does("topics alter orders -p 4 --yes", "");
    let describe = "--describe --entity-type topics --entity-name orders";
    let printed = tools(
        kafka,
        &[
            (CONFIGS, describe),
            (OFFSETS, "--topic orders --time earliest"),
        ],
    );
    assert!(
        printed[0].contains("max.message.bytes=2000000"),
        "{}",
        printed[0]
    );
    assert!(!printed[0].contains("retention.ms"), "{}", printed[0]);
    let begins = printed[1]
        .lines()
        .filter_map(|line| line.rsplit(':').next()?.parse::<i64>().ok());
    assert_eq!(begins.sum::<i64>(), 30, "{}", printed[1]);
    assert_eq!(
        printed[1]
            .lines()
            .filter(|line| line.starts_with("orders:"))
            .count(),
        4
    );
}

fn security(kafka: &Kafka, klamm: &Klamm) {
    klamm.does("users set alice --password-file /dev/stdin", "wonderland\n");
    let secure = Klamm::at(kafka.bootstrap_of("SECURE"));
    let sasl = "-X security.protocol=SASL_PLAINTEXT -X sasl.mechanism=SCRAM-SHA-512 -X sasl.username=alice";
    let doctor = format!("doctor {sasl} -X sasl.password=wonderland");
    let options = "topics --sasl scram-sha-512 --sasl-user alice --sasl-password-file /dev/stdin";
    until("the right password is known", || {
        secure.run(&format!("{doctor} --json"), "").code == Some(0)
    });
    assert!(secure.does(options, "wonderland\n").starts_with("__"));
    assert_eq!(
        klamm.json("users list alice")[0]["mechanism"],
        "SCRAM-SHA-512"
    );
    let wrong = secure.run(
        &format!("doctor --json {sasl} -X sasl.password=guessed"),
        "",
    );
    assert_eq!(wrong.code, Some(1), "{}", wrong.stderr);
    let told = klamm_json(&wrong.stdout);
    let steps = told["steps"].as_array().unwrap();
    let failed: Vec<_> = steps
        .iter()
        .filter(|step| step["status"] == "failed")
        .collect();
    assert_eq!(failed[0]["step"], "SASL", "{told:#}");
    // Without SASL, on a listener that wants it.
    assert_eq!(secure.run("doctor", "").code, Some(1));
    klamm.does(
        "acls add User:alice topic orders --operation read --operation describe",
        "",
    );
    klamm.does(
        "acls add User:bob cluster --operation alter --deny --host 10.0.0.7",
        "",
    );
    let count = |line: &str| klamm.json(line).as_array().unwrap().len();
    until("ACLs are there", || {
        count("acls list --principal User:alice") == 2
    });
    let printed = tools(kafka, &[(ACLS, "--list --principal User:bob")]);
    for word in ["operation=ALTER", "permissionType=DENY", "host=10.0.0.7"] {
        assert!(printed[0].contains(word), "{}", printed[0]);
    }
    klamm.does("acls delete --principal User:alice --yes", "");
    klamm.does("acls delete --principal User:bob --yes", "");
    until("acls are gone", || count("acls") == 0);
    klamm.does(
        "quotas set --user alice --client-id <default> producer_byte_rate=1048576",
        "",
    );
    until("quotas are there", || count("quotas") == 1);
    let quotas = klamm.json("quotas");
    assert_eq!(quotas[0]["user"], "alice");
    assert_eq!(quotas[0]["client_id"], "<default>");
    assert_eq!(quotas[0]["value"], 1_048_576.0);
    klamm.does(
        "quotas delete --user alice --client-id <default> producer_byte_rate",
        "",
    );
    until("quotas are gone", || count("quotas") == 0);
    klamm.does("users delete alice --yes", "");
    until("users are gone", || count("users") == 0);
}

/// The controllers are spoken with directly: what they take, and who is taken for whom.
fn controllers(kafka: &Kafka, brokers: &Klamm) {
    let controllers = Klamm {
        option: "--bootstrap-controller",
        bootstrap: kafka.controllers(),
    };
    let cluster = controllers.json("cluster");
    let controller = &cluster["controllers"][0];
    assert_eq!(
        (&controller["controller"], &controller["active"]),
        (&1.into(), &true.into())
    );
    let address = controller["port"].to_string();
    assert!(kafka.controllers().ends_with(&format!(":{address}")));
    let quorum = "org.apache.kafka.tools.MetadataQuorumCommand";
    let tools = kafka.java_tools_at_controllers().unwrap();
    let printed = tools.tool(quorum, "describe --status").run().unwrap();
    let ours = controllers.json("cluster quorum");
    let status = printed[0].text.replace(char::is_whitespace, "");
    let leader = format!(
        "LeaderId:{}LeaderEpoch:{}",
        ours["leader"], ours["leader_epoch"]
    );
    assert!(status.contains(&leader), "{leader} in {status}");
    controllers.does("configs set topic orders segment.bytes=2097152", "");
    until("what was set through the controller", || {
        let configs = brokers.does("configs describe topic orders", "");
        configs.contains("segment.bytes\t2097152")
    });
    brokers.does("configs delete topic orders segment.bytes", "");
    for line in ["topics", "groups", "produce orders", "lag"] {
        let refused = controllers.run(line, "");
        assert_eq!(refused.code, Some(2), "{line}: {}", refused.stderr);
        assert!(refused.stderr.contains("brokers"), "{}", refused.stderr);
    }
    let wrong = Klamm {
        bootstrap: kafka.bootstrap(),
        ..controllers
    };
    let told = wrong.run("cluster", "");
    assert_eq!(told.code, Some(1), "{}", told.stdout);
    assert!(
        told.stderr.contains("is a broker, not a controller"),
        "{}",
        told.stderr
    );
    let wrong = Klamm::at(kafka.controllers()).run("cluster", "");
    assert!(
        wrong.stderr.contains("is a controller, not a broker"),
        "{}",
        wrong.stderr
    );
}

fn cluster(klamm: &Klamm) {
    let brokers = klamm.json("cluster");
    assert_eq!(brokers["controller"], 1);
    assert_eq!(brokers["brokers"][0]["broker"], 1);
    let features = klamm.json("cluster features");
    let features = features.as_array().unwrap();
    assert!(
        features
            .iter()
            .any(|it| it["feature"] == "metadata.version")
    );
    let quorum = klamm.json("cluster quorum");
    assert_eq!(quorum["leader"], 1);
    assert_eq!(quorum["replicas"][0]["role"], "leader");
    assert_eq!(klamm.json("cluster health")["healthy"], true);
    assert_eq!(klamm.json("reassign").as_array().unwrap().len(), 0);
    let hanging = klamm.json("transactions hanging orders");
    assert_eq!(hanging.as_array().unwrap().len(), 0);
    let doctor = klamm.json("doctor");
    assert_eq!(doctor["healthy"], true);
    let steps = doctor["steps"].as_array().unwrap();
    let clock = steps.iter().find(|step| step["step"] == "clock").unwrap();
    assert_eq!(clock["status"], "ok", "{doctor:#}");
    klamm.does("topics delete orders --yes", "");
    until("the topic is gone", || {
        klamm.run("topics exists orders", "").code == Some(3)
    });
}

fn klamm_json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}
