//! From an address to a connection: a byte stream, what is laid over it, what the broker speaks, who
//! the client is.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::client_config::{ClientConfig, HostPort};
use crate::connection::{Connection, Limits, Setup};
use crate::error::Error;
use crate::node::NodeId;
use crate::security::SecurityLayer;

/// Connects to `address`, within `limit`.
pub(crate) async fn dial(
    address: &HostPort,
    node: Option<NodeId>,
    config: &ClientConfig,
    security: &SecurityLayer,
    client_id: &Arc<str>,
    limit: Duration,
) -> Result<Connection, Error> {
    let broker = address.to_string();
    let set_up = async {
        let stream = config.connector.connect(address, limit).await;
        let stream = stream.map_err(|error| Error::connect(&broker, error))?;
        let stream = security.encrypt(stream, address, &broker).await?;
        let client_id = Arc::clone(client_id);
        let encrypted = security.has_tls();
        let mut setup = Setup::begin(stream, broker.clone(), client_id, encrypted).await?;
        security.authenticate(&mut setup, address).await?;
        let limits = Limits {
            response_bytes_max: config.response_bytes_max,
        };
        Ok(setup.start(node, limits))
    };
    match timeout(limit, set_up).await {
        Ok(connected) => connected,
        Err(_) => Err(Error::connect(
            &broker,
            io::Error::new(
                io::ErrorKind::TimedOut,
                format!("not usable within {limit:?} (socket.connection.setup.timeout.ms)"),
            ),
        )),
    }
}
