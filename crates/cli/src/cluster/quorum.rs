//! `klamm cluster quorum`.

use klamm::Admin;
use klamm::admin::{Quorum, QuorumReplica};

use crate::failure::Failure;
use crate::output::{Output, Row, object, objects, row};
use crate::time;

pub(super) async fn run(admin: &Admin, out: &Output) -> Result<(), Failure> {
    let quorum = admin.describe_quorum().await?;
    let voters = quorum.voters.iter().map(|it| replica(it, "voter", &quorum));
    let observers = quorum
        .observers
        .iter()
        .map(|it| replica(it, "observer", &quorum));
    let rows: Vec<_> = voters.chain(observers).collect();
    if out.is_json() {
        let mut document = row!(
            leader: quorum.leader.map(|node| node.0),
            leader_epoch: quorum.leader_epoch,
            high_watermark: quorum.high_watermark,
        );
        document.push(("replicas", objects(rows)));
        return out.document(&object(document));
    }
    let leader = quorum
        .leader
        .map_or_else(|| "none".to_owned(), |node| node.to_string());
    out.heading(&format!(
        "leader {leader}, epoch {}, high watermark {}",
        quorum.leader_epoch, quorum.high_watermark
    ))?;
    out.rows(rows, "no replicas")
}

fn replica(replica: &QuorumReplica, role: &str, quorum: &Quorum) -> Row {
    let is_leader = quorum.leader == Some(replica.node) && role == "voter";
    let leader = quorum
        .voters
        .iter()
        .find(|it| Some(it.node) == quorum.leader);
    let end = leader.and_then(|leader| leader.log_end_offset);
    row!(
        node: replica.node.0,
        role: if is_leader { "leader" } else { role },
        log_end_offset: replica.log_end_offset,
        lag: end.zip(replica.log_end_offset).map(|(end, own)| end - own),
        last_fetch: replica.last_fetch_timestamp.map(time::shown),
        last_caught_up: replica.last_caught_up_timestamp.map(time::shown),
    )
}
