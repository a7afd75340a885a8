//! From an address to a connection: a byte stream, what is laid over it, what the broker speaks, who
//! the client is.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tracing::Instrument;

use crate::client_config::{ClientConfig, HostPort};
use crate::connection::{Connection, Intent, Limits, Setup};
use crate::error::Error;
use crate::security::SecurityLayer;
use crate::stats::Meter;

/// Requests of a connection that await responses, as Java's consumer has it; producers have a bound of
/// their own (`max.in.flight.requests.per.connection`).
const IN_FLIGHT_MAX: usize = 100;

/// Connects to `address`, within `limit`.
pub(crate) async fn dial(
    address: &HostPort,
    intent: Option<Intent<'_>>,
    config: &ClientConfig,
    security: &SecurityLayer,
    client_id: &Arc<str>,
    meter: Arc<Meter>,
    limit: Duration,
) -> Result<Connection, Error> {
    let broker = address.to_string();
    let set_up = async {
        let stream = config.connector.connect(address, limit).await;
        let stream = stream.map_err(|error| Error::connect(&broker, error))?;
        let stream = security.encrypt(stream, address, &broker).await?;
        let client_id = Arc::clone(client_id);
        let encrypted = security.has_tls();
        let mut setup = Setup::begin(stream, broker.clone(), client_id, encrypted, intent).await?;
        let renewal = security.authenticate(&mut setup, address, limit).await?;
        setup.renew_by(renewal);
        let limits = Limits {
            response_bytes_max: config.response_bytes_max,
            in_flight_max: IN_FLIGHT_MAX,
            idle_after: config.connections_max_idle,
        };
        Ok(setup.start(intent.map(|intent| intent.node), limits, meter))
    };
    let span = tracing::debug_span!("connect", %broker);
    match timeout(limit, set_up.instrument(span)).await {
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
