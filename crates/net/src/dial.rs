//! From an address to a connection: resolve, connect, ask for versions.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client_config::{ClientConfig, HostPort};
use crate::connection::{Connection, Limits};
use crate::error::Error;
use crate::node::NodeId;

/// Connects to `address`, within `limit`. Every address that the name resolves
/// to is tried (`client.dns.lookup=use_all_dns_ips`).
pub(crate) async fn dial(
    address: &HostPort,
    node: Option<NodeId>,
    config: &ClientConfig,
    client_id: &Arc<str>,
    limit: Duration,
) -> Result<Connection, Error> {
    let broker = address.to_string();
    let setup = async {
        let stream = connect(address, &broker).await?;
        let limits = Limits {
            response_bytes_max: config.response_bytes_max,
        };
        Connection::open(stream, broker.clone(), node, client_id, limits).await
    };
    match timeout(limit, setup).await {
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

async fn connect(address: &HostPort, broker: &str) -> Result<TcpStream, Error> {
    let failed = |error| Error::connect(broker, error);
    let resolved = tokio::net::lookup_host((address.host.as_str(), address.port));
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for socket_address in resolved.await.map_err(failed)? {
        match TcpStream::connect(socket_address).await {
            Ok(stream) => {
                // Nagle's algorithm would hold back the end of every request.
                stream.set_nodelay(true).map_err(failed)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}
