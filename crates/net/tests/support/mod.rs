//! A cluster in memory, whose connections are counted.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use klamm_net::{BoxedStream, ClientConfig, Cluster, Connecting, Connector, HostPort};
use klamm_testbroker::TestBroker;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::time::{Instant, sleep};

/// How long a condition may take to come true.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Connects to a test broker in memory; node 1 for all addresses that are not those of its nodes.
#[derive(Debug)]
pub(crate) struct InMemory {
    broker: Arc<TestBroker>,
    open: Arc<AtomicUsize>,
}

impl InMemory {
    pub(crate) fn new(broker: &Arc<TestBroker>) -> Self {
        Self {
            broker: Arc::clone(broker),
            open: Arc::default(),
        }
    }

    /// The number of streams that are open.
    pub(crate) fn open(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.open)
    }
}

impl Connector for InMemory {
    fn connect<'a>(&'a self, address: &'a HostPort, _timeout: Duration) -> Connecting<'a> {
        let bootstrap = self.broker.bootstrap();
        let address = address.to_string();
        let node = bootstrap.split(',').position(|node| node == address);
        let stream = self.broker.connect(node.map_or(1, |at| at as i32 + 1));
        self.open.fetch_add(1, Ordering::SeqCst);
        let open = Arc::clone(&self.open);
        Box::pin(async move {
            let stream = stream.map_err(io::Error::other)?;
            Ok(Box::new(Counted { stream, open }) as BoxedStream)
        })
    }
}

/// A name that leads to one cluster after the other; the addresses of a cluster that has been left are
/// refused.
#[derive(Clone, Debug)]
pub(crate) struct Moving {
    broker: Arc<Mutex<Arc<TestBroker>>>,
}

impl Moving {
    pub(crate) fn new(broker: &Arc<TestBroker>) -> Self {
        Self {
            broker: Arc::new(Mutex::new(Arc::clone(broker))),
        }
    }

    /// Moves the name; gives the cluster that it led to.
    pub(crate) fn lead_to(&self, broker: &Arc<TestBroker>) -> Arc<TestBroker> {
        std::mem::replace(&mut self.broker.lock().unwrap(), Arc::clone(broker))
    }
}

impl Connector for Moving {
    fn connect<'a>(&'a self, address: &'a HostPort, _timeout: Duration) -> Connecting<'a> {
        let broker = Arc::clone(&self.broker.lock().unwrap());
        let bootstrap = broker.bootstrap();
        Box::pin(async move {
            if address.host != "bootstrap" && address.to_string() != bootstrap {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let stream = broker.connect(1).map_err(io::Error::other)?;
            Ok(Box::new(stream) as BoxedStream)
        })
    }
}

struct Counted {
    stream: DuplexStream,
    open: Arc<AtomicUsize>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A cluster over `connector`, which finds it by the name `bootstrap`.
pub(crate) async fn connect(connector: impl Connector) -> Cluster {
    Cluster::connect(config(connector)).await.unwrap()
}

/// How to find it.
pub(crate) fn config(connector: impl Connector) -> ClientConfig {
    let mut config = ClientConfig::new("bootstrap").unwrap();
    config.connector = Arc::new(connector);
    config
}

/// Waits until `condition` holds.
///
/// # Panics
/// It does not come to hold within [`PATIENCE`].
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        sleep(Duration::from_millis(2)).await;
    }
}
