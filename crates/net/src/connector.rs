//! Where the byte stream to a broker comes from: TCP, unless the application brings its own.
//!
//! A [`Connector`] makes streams of plain bytes; TLS and SASL are laid over whatever it returns. So a
//! proxy, a tunnel, an in-memory broker or a simulated network needs to know nothing of either.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::client_config::HostPort;
use crate::staggered::{HEAD_START, first_success};

/// Names whose last address is remembered; beyond that all are forgotten.
const REMEMBERED_MAX: usize = 1000;

/// A stream of bytes to a broker and back. Vectored writes pay: a request is several pieces.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> ByteStream for T {}

/// What a [`Connector`] makes.
pub type BoxedStream = Box<dyn ByteStream>;

/// The future of a stream.
pub type Connecting<'a> = Pin<Box<dyn Future<Output = io::Result<BoxedStream>> + Send + 'a>>;

/// Makes the byte streams of a client; set in [`ClientConfig::connector`](crate::ClientConfig).
///
/// Called for every connection: for the addresses of `bootstrap.servers`, and for those that brokers
/// advertise. Errors are treated as those of the operating system: the client tries again, with
/// `reconnect.backoff.ms` and growing. [`io::ErrorKind::NotFound`] says that a name cannot be resolved
/// (`bootstrap.resolve.timeout.ms`).
///
/// # Cancel safety
/// The future is dropped when the time for it is up; it must leave nothing behind.
///
/// # Examples
/// A connector that sends everything through one tunnel:
/// ```
/// use std::time::Duration;
///
/// use klamm_net::{BoxedStream, Connecting, Connector, HostPort};
///
/// #[derive(Debug)]
/// struct Tunnel;
///
/// impl Connector for Tunnel {
///     fn connect<'a>(&'a self, address: &'a HostPort, _timeout: Duration) -> Connecting<'a> {
///         Box::pin(async move {
///             let stream = tokio::net::TcpStream::connect("127.0.0.1:1080").await?;
///             // Here the tunnel would be told to open `address`.
///             let _ = address;
///             Ok(Box::new(stream) as BoxedStream)
///         })
///     }
/// }
///
/// let mut config = klamm_net::ClientConfig::new("kafka-1:9092")?;
/// config.connector = std::sync::Arc::new(Tunnel);
/// # Ok::<_, klamm_net::Error>(())
/// ```
pub trait Connector: fmt::Debug + Send + Sync + 'static {
    /// Opens a stream to `address`, whose host is a name or an IP address. The caller gives up after
    /// `timeout`.
    fn connect<'a>(&'a self, address: &'a HostPort, timeout: Duration) -> Connecting<'a>;
}

/// Plain TCP: every address of a name is tried (`client.dns.lookup=use_all_dns_ips`).
///
/// Names are resolved anew for each connection. The first address to be tried is the one after that
/// tried last, so that an address which accepts connections but leads nowhere cannot keep a client
/// from the others; the next one is tried as soon as one fails, or after a quarter of a second beside it, so that one
/// which swallows packets costs no more than that (RFC 8305). Nagle's algorithm is off and keep-alive on, as in Java.
#[derive(Debug, Default)]
pub struct TcpConnector {
    tried_last: Mutex<HashMap<HostPort, SocketAddr>>,
}

impl TcpConnector {
    /// `resolved` in the order in which to try.
    fn in_turn(&self, name: &HostPort, mut resolved: Vec<SocketAddr>) -> Vec<SocketAddr> {
        let tried_last = self
            .tried_last
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let last = tried_last.get(name);
        if let Some(at) = resolved.iter().position(|address| Some(address) == last) {
            resolved.rotate_left(at + 1);
        }
        resolved
    }

    fn remember(&self, name: &HostPort, address: SocketAddr) {
        let mut tried_last = self
            .tried_last
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if tried_last.len() >= REMEMBERED_MAX && !tried_last.contains_key(name) {
            tried_last.clear();
        }
        tried_last.insert(name.clone(), address);
    }

    async fn connect_to_any(&self, name: &HostPort, limit: Duration) -> io::Result<TcpStream> {
        let deadline = Instant::now() + limit;
        let mut resolved = Vec::new();
        let found = tokio::net::lookup_host((name.host.as_str(), name.port)).await;
        let unresolved = |error| io::Error::new(io::ErrorKind::NotFound, error);
        for address in found.map_err(unresolved)? {
            if !resolved.contains(&address) {
                resolved.push(address);
            }
        }
        let in_turn = self.in_turn(name, resolved).into_iter();
        let attempts = in_turn.map(|address| async move {
            // Before the attempt: whoever is cut off here starts with the next one.
            self.remember(name, address);
            match timeout_at(deadline, open(address)).await {
                Ok(opened) => opened.map_err(|error| (address, error)),
                Err(_) => Err((address, no_answer(limit))),
            }
        });
        first_success(HEAD_START, attempts).await.map_err(summary)
    }
}

impl Connector for TcpConnector {
    fn connect<'a>(&'a self, address: &'a HostPort, timeout: Duration) -> Connecting<'a> {
        Box::pin(async move {
            let stream = self.connect_to_any(address, timeout).await?;
            Ok(Box::new(stream) as BoxedStream)
        })
    }
}

async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // Nagle's algorithm would hold back the end of every request.
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_keepalive(true)?;
    Ok(stream)
}

fn no_answer(waited: Duration) -> io::Error {
    let text = format!("no answer within {} ms", waited.as_millis());
    io::Error::new(io::ErrorKind::TimedOut, text)
}

/// One error of the kind of the last; it names each address if there are several.
fn summary(mut failures: Vec<(SocketAddr, io::Error)>) -> io::Error {
    let Some((_, last)) = failures.last() else {
        return io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    };
    let kind = last.kind();
    if failures.len() == 1 {
        return failures.swap_remove(0).1;
    }
    let each = |(address, error): &(SocketAddr, io::Error)| format!("{address}: {error}");
    let texts: Vec<_> = failures.iter().map(each).collect();
    io::Error::new(kind, texts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn addresses(ports: &[u16]) -> Vec<SocketAddr> {
        let address = |port: &u16| SocketAddr::from(([127, 0, 0, 1], *port));
        ports.iter().map(address).collect()
    }

    #[test]
    fn the_address_tried_last_is_tried_last_the_next_time() {
        let connector = TcpConnector::default();
        let name: HostPort = "kafka:9092".parse().unwrap();
        let resolved = addresses(&[1, 2, 3]);
        assert_eq!(connector.in_turn(&name, resolved.clone()), resolved);
        connector.remember(&name, resolved[0]);
        let next = connector.in_turn(&name, resolved.clone());
        assert_eq!(next, addresses(&[2, 3, 1]));
        // An address that the name no longer has says nothing.
        connector.remember(&name, addresses(&[9])[0]);
        assert_eq!(connector.in_turn(&name, resolved.clone()), resolved);
        let other: HostPort = "other:9092".parse().unwrap();
        assert_eq!(connector.in_turn(&other, resolved.clone()), resolved);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let connector = TcpConnector::default();
        for port in 0..3 * REMEMBERED_MAX as u16 {
            let name = HostPort {
                host: "kafka".to_owned(),
                port,
            };
            connector.remember(&name, addresses(&[port])[0]);
        }
        assert!(connector.tried_last.lock().unwrap().len() <= REMEMBERED_MAX);
    }

    #[test]
    fn several_failures_are_all_told() {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let failures = addresses(&[1, 2]).into_iter().map(|at| (at, refused()));
        let error = summary(failures.collect());
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let text = error.to_string();
        assert!(text.contains("127.0.0.1:1: ") && text.contains("127.0.0.1:2: "));
        assert!(summary(Vec::new()).to_string().contains("no address"));
    }

    #[tokio::test]
    async fn nagle_is_off_and_keep_alive_on() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = open(listener.local_addr().unwrap()).await.unwrap();
        assert!(stream.nodelay().unwrap());
        assert!(SockRef::from(&stream).keepalive().unwrap());
    }

    #[tokio::test]
    async fn a_name_leads_to_whichever_of_its_addresses_is_listened_on() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connector = TcpConnector::default();
        // On many machines `localhost` is ::1 as well, where nobody listens.
        for _ in 0..3 {
            let name: HostPort = format!("localhost:{port}").parse().unwrap();
            let limit = Duration::from_secs(10);
            assert!(connector.connect(&name, limit).await.is_ok());
        }
    }

    #[tokio::test]
    async fn a_name_that_cannot_be_resolved_is_told_as_such() {
        let connector = TcpConnector::default();
        // No resolver is asked for a name that cannot be one.
        let name: HostPort = "no..name:9092".parse().unwrap();
        let refused = connector.connect(&name, Duration::from_secs(10)).await;
        let error = refused.err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::NotFound, "{error}");
        assert!(Error::connect("no..name:9092", error).is_unresolved());
    }

    #[tokio::test]
    async fn an_ipv6_address_is_dialled_as_written() {
        let Ok(listener) = tokio::net::TcpListener::bind("[::1]:0").await else {
            // This machine has no IPv6.
            return;
        };
        let address: HostPort = listener.local_addr().unwrap().to_string().parse().unwrap();
        assert_eq!(address.host, "::1");
        let connector = TcpConnector::default();
        let limit = Duration::from_secs(10);
        assert!(connector.connect(&address, limit).await.is_ok());
    }
}
