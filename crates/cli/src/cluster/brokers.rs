//! `klamm cluster brokers`.

use klamm::Admin;
use klamm::admin::{Broker, ClusterDescription};

use crate::failure::Failure;
use crate::output::{Output, Row, counted, object, objects, row};

pub(super) async fn run(admin: &Admin, out: &Output) -> Result<(), Failure> {
    let described = admin.describe_cluster().await?;
    // An admin that is connected to controllers is told of those alone.
    let of_controllers = admin.is_of_controllers();
    let row = if of_controllers { controller } else { broker };
    let nodes = described.brokers.iter();
    let rows: Vec<_> = nodes.map(|node| row(node, &described)).collect();
    if out.is_json() {
        let mut document = row!(
            cluster_id: described.cluster_id.as_deref(),
            controller: described.controller.map(|node| node.0),
        );
        let nodes = if of_controllers {
            "controllers"
        } else {
            "brokers"
        };
        document.push((nodes, objects(rows)));
        return out.document(&object(document));
    }
    let id = described.cluster_id.as_deref().unwrap_or("without id");
    let noun = if of_controllers {
        "controller"
    } else {
        "broker"
    };
    let nodes = counted(described.brokers.len() as u64, noun);
    out.heading(&format!("cluster {id}: {nodes}"))?;
    out.rows(rows, &format!("no {noun}s"))
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

fn controller(controller: &Broker, cluster: &ClusterDescription) -> Row {
    row!(
        controller: controller.node.0,
        host: controller.address.host.as_str(),
        port: controller.address.port,
        active: cluster.controller == Some(controller.node),
    )
}
