//! A cluster in memory, whose connections are counted.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod log;

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
/// refused, unless it [stays](Moving::and_old_ones_stay) or is [taken over](Moving::and_takes_over).
#[derive(Clone, Debug)]
pub(crate) struct Moving {
    broker: Arc<Mutex<Arc<TestBroker>>>,
    /// Those that can be reached by their own addresses whatever the name leads to.
    staying: Vec<Arc<TestBroker>>,
    /// The addresses of a cluster that has been left lead to the one that the name leads to.
    takes_over: bool,
}

impl Moving {
    pub(crate) fn new(broker: &Arc<TestBroker>) -> Self {
        Self {
            broker: Arc::new(Mutex::new(Arc::clone(broker))),
            staying: Vec::new(),
            takes_over: false,
        }
    }

    /// The next cluster gets the addresses of the one before.
    pub(crate) fn and_takes_over(mut self) -> Self {
        self.takes_over = true;
        self
    }

    /// The first cluster can be reached by its addresses after the name has moved.
    pub(crate) fn and_old_ones_stay(mut self) -> Self {
        let first = Arc::clone(&self.broker.lock().unwrap());
        self.staying.push(first);
        self
    }

    /// Moves the name; gives the cluster that it led to.
    pub(crate) fn lead_to(&self, broker: &Arc<TestBroker>) -> Arc<TestBroker> {
        std::mem::replace(&mut self.broker.lock().unwrap(), Arc::clone(broker))
    }
}

impl Connector for Moving {
    fn connect<'a>(&'a self, address: &'a HostPort, _timeout: Duration) -> Connecting<'a> {
        let current = Arc::clone(&self.broker.lock().unwrap());
        let found = if self.takes_over || address.host == "bootstrap" {
            Some(&current)
        } else {
            let mut reachable = self.staying.iter().chain([&current]);
            reachable.find(|broker| broker.bootstrap() == address.to_string())
        };
        let stream = found.map(|broker| broker.connect(1).map_err(io::Error::other));
        Box::pin(async move {
            let stream = stream.ok_or(io::ErrorKind::ConnectionRefused)??;
            Ok(Box::new(stream) as BoxedStream)
        })
    }
}

/// Swallows what goes to the host `hole`, as a firewall does; all else goes where it would without.
#[derive(Debug)]
pub(crate) struct WithHole<C>(pub(crate) C);

impl<C: Connector> Connector for WithHole<C> {
    fn connect<'a>(&'a self, address: &'a HostPort, timeout: Duration) -> Connecting<'a> {
        if address.host == "hole" {
            return Box::pin(std::future::pending());
        }
        self.0.connect(address, timeout)
    }
}

/// Refuses one address, as the machine of a broker that was killed does.
#[derive(Debug)]
pub(crate) struct Without(pub(crate) InMemory, pub(crate) HostPort);

impl Connector for Without {
    fn connect<'a>(&'a self, address: &'a HostPort, timeout: Duration) -> Connecting<'a> {
        if *address == self.1 {
            return Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) });
        }
        self.0.connect(address, timeout)
    }
}

/// Fails so until some time, from when on it leads to a cluster in memory.
#[derive(Debug)]
pub(crate) struct Late {
    pub(crate) until: Instant,
    pub(crate) failure: io::ErrorKind,
    pub(crate) then: InMemory,
}

impl Connector for Late {
    fn connect<'a>(&'a self, address: &'a HostPort, timeout: Duration) -> Connecting<'a> {
        if Instant::now() < self.until {
            return Box::pin(async { Err(self.failure.into()) });
        }
        self.then.connect(address, timeout)
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
