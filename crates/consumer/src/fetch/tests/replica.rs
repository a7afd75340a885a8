//! Reading from replicas and from leaders that brokers name (KIP-392, KIP-951).

use super::*;

fn preferring(node: i32) -> FetchedPartition {
    FetchedPartition {
        preferred_read_replica: node,
        ..data(0, Bytes::new())
    }
}

#[test]
fn a_preferred_replica_is_read_until_its_time_is_over() {
    let mut bench = Bench::reading(&[0]);
    let plan = bench.only_fetch();
    bench.answer(&plan, vec![preferring(3)]);
    let plan = bench.only_fetch();
    assert_eq!((plan.node, asked(&plan)), (NodeId(3), vec![(0, 0)]));
    bench.answer(&plan, vec![data(0, batch(0, 3))]);
    let plan = bench.plan();
    assert_eq!(plan.fetches[0].node, NodeId(3));
    bench.now += Duration::from_secs(300);
    assert!(plan.wake_at <= Some(bench.now));
    assert_eq!(bench.only_fetch().node, NodeId(1));
    // What the replica answers then comes too late.
    bench.answer(&plan.fetches[0], vec![data(0, batch(3, 3))]);
    assert_eq!(bench.consume(), [0, 1, 2]);
}

type Failure<'a> = &'a dyn Fn(&mut Bench, &FetchPlan);

#[test]
fn a_preferred_replica_that_fails_or_lags_or_is_gone_gives_way_to_the_leader() {
    let fail = |bench: &mut Bench, plan: &FetchPlan, code| {
        bench.answer(plan, vec![fetched(0, code, Bytes::new())]);
    };
    let failures: [Failure<'_>; 4] = [
        &|bench, plan| fail(bench, plan, ErrorCode::OFFSET_OUT_OF_RANGE),
        &|bench, plan| fail(bench, plan, ErrorCode::NOT_LEADER_OR_FOLLOWER),
        &|bench, plan| {
            let lost = klamm_net::Error::UnknownNode { node: 3 };
            bench.state.handle_fetched(bench.now, plan, Err(lost));
        },
        &|bench, _| bench.refresh(|view| view.moved_to = Some((2, 6))),
    ];
    for failure in failures {
        let mut bench = Bench::reading(&[0]);
        let plan = bench.only_fetch();
        bench.answer(&plan, vec![preferring(3)]);
        let plan = bench.only_fetch();
        failure(&mut bench, &plan);
        bench.now += 121 * MILLISECOND;
        let next = bench.only_fetch();
        assert_ne!(next.node, NodeId(3));
        assert_eq!(asked(&next), [(0, 0)]);
    }
    // One that the metadata does not have (yet) is looked for, and the leader, which names it again, not asked in circles.
    let mut bench = Bench::reading(&[0]);
    let plan = bench.only_fetch();
    bench.answer(&plan, vec![preferring(77)]);
    let plan = bench.plan();
    assert!(plan.refresh && plan.fetches.is_empty());
    bench.now += 121 * MILLISECOND;
    assert_eq!(bench.only_fetch().node, NodeId(1));
}

#[test]
fn a_leader_that_a_broker_names_is_told_and_followed_without_a_pause() {
    let mut bench = Bench::reading(&[0]);
    let plan = bench.only_fetch();
    let mut refused = fetched(0, ErrorCode::NOT_LEADER_OR_FOLLOWER, Bytes::new());
    refused.current_leader = Some((2, 6));
    let effects = bench.answer(&plan, vec![refused]);
    assert_eq!(effects.leaders, [(partition(0), NodeId(2), 6)]);
    assert!(bench.plan().fetches.is_empty());
    bench.refresh(|view| view.moved_to = Some((2, 6)));
    assert_eq!(bench.only_fetch().node, NodeId(2));
}
