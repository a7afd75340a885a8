//! What needs several brokers.

use klamm_tests::Kafka;
use serde_json::Value;

use super::{Klamm, TOPICS, klamm_json, tools, until};

/// Replicas and leaders, moved by the command where there is somewhere to move them to.
#[test]
#[ignore = "starts three brokers: `just command-on-three-nodes`"]
fn replicas_and_leaders_are_moved_between_three_nodes() {
    let kafka = Kafka::builder().nodes(3).start().expect("three brokers");
    let klamm = Klamm::at(kafka.bootstrap());
    klamm.does("topics create orders -p 3 -r 2", "");
    klamm.does("produce orders -K :", "a:1\nb:2\nc:3\n");
    let described = |field: &str| -> Vec<Value> {
        let topics = klamm.json("topics describe orders");
        let partitions = topics[0]["partitions"].as_array().unwrap().iter();
        partitions
            .map(|partition| partition[field].clone())
            .collect()
    };
    let moved = klamm.run("reassign start orders --to 3,1 --yes --wait --json", "");
    assert_eq!(moved.code, Some(0), "{}", moved.stderr);
    assert_eq!(klamm_json(&moved.stdout).as_array().unwrap().len(), 3);
    let told = "3 partitions moved, with all replicas in place";
    assert!(moved.stderr.contains(told), "{}", moved.stderr);
    let wanted: [Value; 3] = [[3, 1], [1, 3], [3, 1]].map(|nodes| nodes.to_vec().into());
    until("the brokers know of the move", || {
        described("replicas") == wanted
    });
    assert_eq!(klamm.json("reassign").as_array().unwrap().len(), 0);

    // A plan as Kafka's tool reads it; and what the tool then sees.
    let plan = r#"{"version":1,"partitions":[{"topic":"orders","partition":0,"replicas":[2,3]}]}"#;
    klamm.does("reassign start --file /dev/stdin --yes --wait", plan);
    let first: Value = vec![2, 3].into();
    until("the brokers know of the plan", || {
        described("replicas")[0] == first
    });
    let elected = klamm.json("elect orders");
    assert_eq!(elected.as_array().unwrap().len(), 3);
    let preferred: [Value; 3] = [2, 1, 3].map(Value::from);
    until("each has its preferred leader", || {
        described("leader") == preferred
    });
    let again = klamm.json("elect orders:0");
    assert_eq!(again[0]["elected"], false);
    let printed = tools(&kafka, &[(TOPICS, "--describe --topic orders")]);
    for (partition, leader, replicas) in [(0, 2, "2,3"), (1, 1, "1,3"), (2, 3, "3,1")] {
        let row = printed[0]
            .lines()
            .find(|line| line.contains(&format!("Partition: {partition}")));
        let row = row
            .unwrap_or_else(|| panic!("{}", printed[0]))
            .replace(char::is_whitespace, "");
        assert!(
            row.contains(&format!("Leader:{leader}Replicas:{replicas}Isr:")),
            "{row}"
        );
    }

    let nothing = klamm.run("reassign cancel", "");
    assert!(
        nothing.stderr.contains("nothing is under way"),
        "{}",
        nothing.stderr
    );
    one_sleeps(&kafka);
}

/// A move to a broker that sleeps is under way until it is taken back.
///
/// Not to the active controller: each broker goes on waiting for that one's answer to what it forwards, for 30 s, after
/// another controller is active (Kafka 4.3.1).
fn one_sleeps(kafka: &Kafka) {
    let klamm = Klamm::at(kafka.bootstrap());
    let controller = klamm.json("cluster quorum")["leader"].as_i64().unwrap();
    let sleeping = controller % 3 + 1;
    let node = |id: i64| kafka.broker(i32::try_from(id).unwrap()).unwrap();
    let led = klamm.json("topics describe orders")[0]["partitions"].clone();
    let led = led.as_array().unwrap().iter();
    let elsewhere = led.filter(|partition| {
        let replicas = partition["replicas"].as_array().unwrap();
        !replicas.contains(&sleeping.into())
    });
    let partition = elsewhere.map(|it| &it["partition"]).next().unwrap();

    node(sleeping).pause().unwrap();
    let awake = Klamm::at(format!("127.0.0.1:{}", node(controller).port()));
    until("the fencing of the one that sleeps", || {
        let brokers = &awake.json("cluster")["brokers"];
        brokers.as_array().unwrap().len() == 2
    });
    let start = format!("reassign start orders:{partition} --to {sleeping} --yes");
    awake.does(&start, "");
    let moving = awake.json("reassign");
    assert_eq!(
        (&moving[0]["partition"], &moving[0]["adding"]),
        (partition, &vec![sleeping].into())
    );
    let unasked = awake.run("reassign cancel", "");
    assert_eq!(unasked.code, Some(2), "{}", unasked.stderr);
    assert!(
        unasked.stderr.contains("cancel 1 move"),
        "{}",
        unasked.stderr
    );
    awake.does("reassign cancel --yes", "");
    until("nothing is under way", || {
        awake.json("reassign").as_array().unwrap().is_empty()
    });
    node(sleeping).resume().unwrap();
    kafka.wait_until_ready().unwrap();
    until("all have caught up", || {
        let behind = klamm.json("topics describe --under-replicated");
        behind.as_array().unwrap().is_empty()
    });
}
