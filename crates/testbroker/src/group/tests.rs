use super::*;

const SESSION: Duration = Duration::from_secs(10);
const REBALANCE: Duration = Duration::from_secs(60);

struct Scene {
    group: Group,
    now: Instant,
    requests: u64,
}

impl Scene {
    fn new() -> Self {
        Self {
            group: Group::new(),
            now: Instant::now(),
            requests: 0,
        }
    }

    fn request(&self, member_id: &str) -> JoinRequest {
        JoinRequest {
            id: RequestId(0),
            member_id: member_id.to_owned(),
            new_member_id: format!("m{}", self.requests + 1),
            instance_id: None,
            client_id: "client".to_owned(),
            client_host: "/127.0.0.1".to_owned(),
            session_timeout: SESSION,
            rebalance_timeout: REBALANCE,
            protocol_type: "consumer".to_owned(),
            protocols: vec![("range".to_owned(), Bytes::from_static(b"meta"))],
            requires_known_member_id: false,
            supports_skipping_assignment: true,
        }
    }

    fn join_with(&mut self, request: JoinRequest) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.group
            .handle_join(self.now, JoinRequest { id, ..request });
        id
    }

    fn join(&mut self, member_id: &str) -> RequestId {
        self.join_with(self.request(member_id))
    }

    fn sync(
        &mut self,
        member_id: &str,
        generation: i32,
        assignments: &[(&str, &'static str)],
    ) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        let assignment = |(id, data): &(&str, &'static str)| {
            ((*id).to_owned(), Bytes::from_static(data.as_bytes()))
        };
        let request = SyncRequest {
            id,
            caller: caller(member_id, generation),
            protocol_type: None,
            protocol: None,
            assignments: assignments.iter().map(assignment).collect(),
        };
        self.group.handle_sync(self.now, request);
        id
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.group.handle_timeout(self.now);
    }

    fn heartbeat(&mut self, member_id: &str, generation: i32) -> Result<(), ResponseError> {
        self.group
            .handle_heartbeat(self.now, &caller(member_id, generation))
    }

    fn answer(&mut self) -> (RequestId, Answer) {
        self.group.poll_answer().expect("no answer")
    }

    fn join_answer(&mut self) -> (RequestId, JoinAnswer) {
        let (id, Answer::Join(answer)) = self.answer() else {
            panic!("not a join answer")
        };
        (id, answer)
    }

    fn sync_answer(&mut self) -> (RequestId, SyncAnswer) {
        let (id, Answer::Sync(answer)) = self.answer() else {
            panic!("not a sync answer")
        };
        (id, answer)
    }

    fn is_quiet(&mut self) -> bool {
        self.group.poll_answer().is_none()
    }

    /// Members `m1` (the leader) and `m2` in generation 2, stable.
    fn two_members() -> Self {
        let mut scene = Self::new();
        scene.join("");
        scene.join_answer();
        scene.join("");
        scene.join("m1");
        while scene.group.poll_answer().is_some() {}
        scene.sync("m1", 2, &[("m1", "a1"), ("m2", "a2")]);
        scene.sync("m2", 2, &[]);
        while scene.group.poll_answer().is_some() {}
        assert_eq!(scene.group.state(), State::Stable);
        scene
    }
}

fn caller(member_id: &str, generation: i32) -> Caller {
    Caller {
        member_id: member_id.to_owned(),
        instance_id: None,
        generation,
    }
}

#[test]
fn the_first_member_leads_and_knows_all_members() {
    let mut scene = Scene::new();
    let request = scene.join("");
    let (id, answer) = scene.join_answer();
    assert_eq!((id, answer.error, answer.generation), (request, None, 1));
    assert_eq!(
        (answer.leader.as_str(), answer.member_id.as_str()),
        ("m1", "m1")
    );
    assert_eq!(
        answer.members,
        [("m1".to_owned(), None, Bytes::from_static(b"meta"))]
    );
    assert_eq!(answer.protocol.as_deref(), Some("range"));
    assert_eq!(scene.group.state(), State::CompletingRebalance);
}

#[test]
fn a_new_member_comes_twice_if_it_must_be_known() {
    let mut scene = Scene::new();
    let request = JoinRequest {
        requires_known_member_id: true,
        ..scene.request("")
    };
    scene.join_with(request);
    let (_, answer) = scene.join_answer();
    assert_eq!(
        (answer.error, answer.member_id.as_str()),
        (Some(ResponseError::MemberIdRequired), "m1")
    );
    assert_eq!(scene.group.state(), State::Empty);
    scene.join("m1");
    assert_eq!(scene.join_answer().1.error, None);
    scene.join("never seen");
    assert_eq!(
        scene.join_answer().1.error,
        Some(ResponseError::UnknownMemberId)
    );
}

#[test]
fn a_rebalance_waits_for_all_members_and_followers_wait_for_the_leader() {
    let mut scene = Scene::new();
    scene.join("");
    scene.join_answer();
    let second = scene.join("");
    assert!(scene.is_quiet(), "m1 has yet to join again");
    assert_eq!(
        scene.heartbeat("m1", 1),
        Err(ResponseError::RebalanceInProgress)
    );
    let first = scene.join("m1");
    let answers = [scene.join_answer(), scene.join_answer()];
    let second_id = answers[1].1.member_id.clone();
    assert_eq!([answers[0].0, answers[1].0], [first, second]);
    assert_eq!(
        answers
            .clone()
            .map(|(_, answer)| (answer.generation, answer.members.len())),
        [(2, 2), (2, 0)]
    );

    let follower = scene.sync(&second_id, 2, &[]);
    assert!(scene.is_quiet());
    let leader = scene.sync("m1", 2, &[("m1", "one"), (&second_id, "two")]);
    let answers =
        [scene.sync_answer(), scene.sync_answer()].map(|(id, answer)| (id, answer.assignment));
    assert_eq!(
        answers,
        [
            (leader, Bytes::from_static(b"one")),
            (follower, Bytes::from_static(b"two"))
        ]
    );
    assert_eq!(scene.group.state(), State::Stable);
    scene.sync("m1", 2, &[]);
    assert_eq!(
        scene.sync_answer().1.assignment,
        Bytes::from_static(b"one"),
        "asked again"
    );
}

#[test]
fn a_new_member_in_the_middle_of_syncing_starts_over() {
    let mut scene = Scene::two_members();
    scene.join("m1");
    scene.join("m2");
    scene.join_answer();
    scene.join_answer();
    let waiting = scene.sync("m2", 3, &[]);
    scene.join("");
    let (id, answer) = scene.sync_answer();
    assert_eq!(
        (id, answer.error),
        (waiting, Some(ResponseError::RebalanceInProgress))
    );
    assert_eq!(scene.group.state(), State::PreparingRebalance);
    scene.sync("m1", 3, &[]);
    assert_eq!(
        scene.sync_answer().1.error,
        Some(ResponseError::RebalanceInProgress)
    );
}

#[test]
fn a_silent_member_is_given_up_and_the_others_rebalance() {
    let mut scene = Scene::two_members();
    for _ in 0..3 {
        scene.pass(SESSION / 2);
        let _ = scene.heartbeat("m1", 2);
    }
    assert_eq!(
        scene.heartbeat("m2", 2),
        Err(ResponseError::UnknownMemberId)
    );
    assert_eq!(
        scene.heartbeat("m1", 2),
        Err(ResponseError::RebalanceInProgress)
    );
    scene.join("m1");
    let (_, answer) = scene.join_answer();
    assert_eq!((answer.generation, answer.members.len()), (3, 1));
}

#[test]
fn a_member_that_does_not_join_again_in_time_is_left_behind() {
    let mut scene = Scene::two_members();
    scene.join("");
    scene.join("m2");
    let step = SESSION / 2;
    for _ in 0..REBALANCE.as_secs() / step.as_secs() - 1 {
        scene.pass(step);
        assert_eq!(
            scene.heartbeat("m1", 2),
            Err(ResponseError::RebalanceInProgress)
        );
        assert!(scene.is_quiet());
    }
    scene.pass(step);
    let answers = [scene.join_answer().1, scene.join_answer().1];
    assert!(
        answers
            .iter()
            .all(|answer| answer.generation == 3 && answer.leader == "m2")
    );
    assert_eq!(
        scene.heartbeat("m1", 3),
        Err(ResponseError::UnknownMemberId)
    );
}

#[test]
fn a_member_that_does_not_sync_in_time_is_removed() {
    let mut scene = Scene::two_members();
    scene.join("m1");
    scene.join("m2");
    while scene.group.poll_answer().is_some() {}
    scene.sync("m1", 3, &[]);
    scene.sync_answer();
    let step = SESSION / 2;
    for _ in 0..REBALANCE.as_secs() / step.as_secs() {
        let _ = scene.heartbeat("m1", 3);
        let _ = scene.heartbeat("m2", 3);
        scene.pass(step);
    }
    assert_eq!(
        scene.heartbeat("m2", 3),
        Err(ResponseError::UnknownMemberId)
    );
    assert_eq!(scene.group.state(), State::PreparingRebalance);
}

#[test]
fn the_last_member_leaves_an_empty_group_behind() {
    let mut scene = Scene::two_members();
    let now = scene.now;
    assert_eq!(
        scene.group.handle_leave(now, "m3", None),
        Err(ResponseError::UnknownMemberId)
    );
    assert_eq!(scene.group.handle_leave(now, "m1", None), Ok(()));
    assert_eq!(scene.group.state(), State::PreparingRebalance);
    assert_eq!(scene.group.handle_leave(now, "m2", None), Ok(()));
    assert_eq!(scene.group.state(), State::Empty);
    assert!(scene.group.is_idle());
    assert_eq!(scene.group.poll_timeout(), None);
    scene.join("");
    assert_eq!(scene.join_answer().1.generation, 4, "generations go on");
}

#[test]
fn wrong_generations_members_and_protocols_are_refused() {
    let mut scene = Scene::two_members();
    assert_eq!(
        scene.heartbeat("m1", 1),
        Err(ResponseError::IllegalGeneration)
    );
    assert_eq!(
        scene.heartbeat("m9", 2),
        Err(ResponseError::UnknownMemberId)
    );
    scene.sync("m1", 1, &[]);
    assert_eq!(
        scene.sync_answer().1.error,
        Some(ResponseError::IllegalGeneration)
    );
    let request = JoinRequest {
        protocol_type: "connect".to_owned(),
        ..scene.request("")
    };
    scene.join_with(request);
    assert_eq!(
        scene.join_answer().1.error,
        Some(ResponseError::InconsistentGroupProtocol)
    );
    let request = JoinRequest {
        protocols: vec![("sticky".to_owned(), Bytes::new())],
        ..scene.request("")
    };
    scene.join_with(request);
    assert_eq!(
        scene.join_answer().1.error,
        Some(ResponseError::InconsistentGroupProtocol)
    );
}

#[test]
fn the_protocol_is_one_that_all_know_and_most_prefer() {
    let mut scene = Scene::new();
    let protocols = |names: &[&str]| {
        names
            .iter()
            .map(|name| ((*name).to_owned(), Bytes::new()))
            .collect()
    };
    let request = JoinRequest {
        protocols: protocols(&["a", "b", "c"]),
        ..scene.request("")
    };
    scene.join_with(request);
    scene.join_answer();
    for names in [&["c", "b"], &["c", "b"]] {
        let request = JoinRequest {
            protocols: protocols(names),
            ..scene.request("")
        };
        scene.join_with(request);
    }
    let request = JoinRequest {
        protocols: protocols(&["a", "b", "c"]),
        ..scene.request("m1")
    };
    scene.join_with(request);
    assert_eq!(scene.join_answer().1.protocol.as_deref(), Some("c"));
}

#[test]
fn commits_count_only_from_members_of_this_generation() {
    let mut scene = Scene::two_members();
    let now = scene.now;
    let mut commit = |id: &str, generation| scene.group.handle_commit(now, &caller(id, generation));
    assert_eq!(commit("m1", 2), Ok(()));
    assert_eq!(commit("m1", 1), Err(ResponseError::IllegalGeneration));
    assert_eq!(commit("m9", 2), Err(ResponseError::UnknownMemberId));
    assert_eq!(commit("", -1), Err(ResponseError::UnknownMemberId));
    assert_eq!(Group::new().handle_commit(now, &caller("", -1)), Ok(()));
}

#[test]
fn a_static_member_returns_to_its_place_without_a_rebalance() {
    let mut scene = Scene::new();
    let instance = |request: JoinRequest| JoinRequest {
        instance_id: Some("i1".to_owned()),
        ..request
    };
    let request = instance(scene.request(""));
    scene.join_with(request);
    scene.join_answer();
    scene.sync("m1", 1, &[("m1", "mine")]);
    scene.sync_answer();
    let request = instance(scene.request(""));
    scene.join_with(request);
    let (_, answer) = scene.join_answer();
    assert_eq!(
        (answer.error, answer.generation, answer.skip_assignment),
        (None, 1, true)
    );
    assert_eq!(
        (answer.leader.as_str(), answer.member_id.as_str()),
        ("m3", "m3")
    );
    scene.sync("m3", 1, &[]);
    assert_eq!(
        scene.sync_answer().1.assignment,
        Bytes::from_static(b"mine")
    );
    let old = Caller {
        instance_id: Some("i1".to_owned()),
        ..caller("m1", 1)
    };
    let now = scene.now;
    assert_eq!(
        scene.group.handle_heartbeat(now, &old),
        Err(ResponseError::FencedInstanceId)
    );
    assert_eq!(scene.group.handle_leave(now, "", Some("i1")), Ok(()));
    assert_eq!(scene.group.state(), State::Empty);
}

#[test]
fn a_pending_member_that_never_returns_holds_a_rebalance_up_only_for_its_session() {
    let mut scene = Scene::two_members();
    let request = JoinRequest {
        requires_known_member_id: true,
        ..scene.request("")
    };
    scene.join_with(request);
    scene.join_answer();
    scene.join("m1");
    scene.join("m2");
    assert!(scene.is_quiet(), "the pending member is waited for");
    scene.pass(SESSION);
    assert_eq!(scene.join_answer().1.generation, 3);
}

#[test]
fn the_number_of_members_is_bounded() {
    let mut scene = Scene::new();
    for index in 0..=MEMBERS_MAX {
        let request = JoinRequest {
            requires_known_member_id: true,
            ..scene.request("")
        };
        scene.join_with(request);
        let full = index == MEMBERS_MAX;
        let expected = if full {
            ResponseError::GroupMaxSizeReached
        } else {
            ResponseError::MemberIdRequired
        };
        assert_eq!(scene.join_answer().1.error, Some(expected));
    }
}
