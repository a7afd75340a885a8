//! `klamm topics list`.

use klamm::Admin;

use crate::failure::Failure;
use crate::output::{Output, row};

pub(super) async fn run(admin: &Admin, out: &Output) -> Result<(), Failure> {
    let topics = admin.list_topics().await?.into_iter();
    let rows = topics.map(|topic| {
        let id = (!topic.id.is_zero()).then(|| topic.id.to_string());
        row!(
            topic: topic.name,
            partitions: topic.partitions,
            internal: topic.is_internal,
            id: id,
        )
    });
    out.rows(
        rows.collect(),
        "there are no topics; klamm topics create NAME makes one",
    )
}
