//! `DescribeCluster` (KIP-700).

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::{DescribeClusterRequest, DescribeClusterResponse};

use super::{Call, Reply, Serve, text};

/// Asks for brokers; 2 would be controllers, which only those answer (KIP-919).
const BROKERS: i8 = 1;

impl Serve for DescribeClusterRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<DescribeClusterResponse> {
        if call.version >= 1 && self.endpoint_type != BROKERS {
            let code = ResponseError::MismatchedEndpointType.code();
            return Reply::Answer(DescribeClusterResponse::default().with_error_code(code));
        }
        let cluster = call.shared.cluster();
        let brokers = cluster.nodes.iter().map(|node| {
            let broker = DescribeClusterBroker::default().with_broker_id(node.id);
            broker
                .with_host(text(&node.host))
                .with_port(i32::from(node.port))
        });
        let response = DescribeClusterResponse::default()
            .with_cluster_id(text(&cluster.id))
            .with_controller_id(cluster.nodes[0].id)
            .with_brokers(brokers.collect());
        Reply::Answer(response)
    }

    fn refuse(&self, _: &Call<'_>, code: i16) -> DescribeClusterResponse {
        DescribeClusterResponse::default().with_error_code(code)
    }
}
