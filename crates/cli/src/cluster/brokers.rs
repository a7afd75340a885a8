//! `klamm cluster brokers`.

use klamm::Admin;
use klamm::admin::{Broker, ClusterDescription};

use crate::failure::Failure;
use crate::output::{Output, Row, counted, object, objects, row};

pub(super) async fn run(admin: &Admin, out: &Output) -> Result<(), Failure> {
    let described = admin.describe_cluster().await?;
    let rows: Vec<_> = described
        .brokers
        .iter()
        .map(|it| broker(it, &described))
        .collect();
    if out.is_json() {
        let mut document = row!(
            cluster_id: described.cluster_id.as_deref(),
            controller: described.controller.map(|node| node.0),
        );
        document.push(("brokers", objects(rows)));
        return out.document(&object(document));
    }
    let id = described.cluster_id.as_deref().unwrap_or("without id");
    let noun = if admin.is_of_controllers() {
        "controller"
    } else {
        "broker"
    };
    let brokers = counted(described.brokers.len() as u64, noun);
    out.heading(&format!("cluster {id}: {brokers}"))?;
    out.rows(rows, "no brokers")
}

fn broker(broker: &Broker, cluster: &ClusterDescription) -> Row {
    row!(
        broker: broker.node.0,
        host: broker.address.host.as_str(),
        port: broker.address.port,
        rack: broker.rack.as_deref(),
        controller: cluster.controller == Some(broker.node),
    )
}
