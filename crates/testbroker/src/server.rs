//! Listeners on loopback, one per node.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::BrokerId;
use tokio::net::TcpListener;

use crate::api::Peer;
use crate::connection;
use crate::shared::Shared;

/// Pause after a failed accept, which otherwise repeats at once (no file descriptors left, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections for `node` until the task is dropped.
pub(crate) async fn listen(listener: TcpListener, shared: Arc<Shared>, node: BrokerId) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "cannot set TCP_NODELAY");
                }
                let peer = Peer {
                    node,
                    host: format!("/{}", address.ip()),
                };
                shared.spawn(connection::serve(stream, Arc::clone(&shared), peer));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
