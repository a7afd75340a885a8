//! The same work by klamm's admin and by Java's: time and requests.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use klamm::net::{BoxedStream, Connecting, Connector};
use klamm::{Client, HostPort, NewTopic};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::three_nodes::{COUNT, groups_with_offsets, kafka, offsets_are_whole};
use super::until;
use crate::support::{blocking, connect};

/// Sends as TCP does, and counts the requests: each begins with its size.
#[derive(Clone, Debug, Default)]
struct Counted {
    requests: Arc<AtomicUsize>,
}

struct CountedStream {
    stream: TcpStream,
    requests: Arc<AtomicUsize>,
    /// Bytes that are left of the request that is being written.
    left: usize,
    /// The size of the next one, as far as it was written.
    size: Vec<u8>,
}

impl CountedStream {
    fn count(&mut self, mut written: &[u8]) {
        while !written.is_empty() {
            let body = self.left.min(written.len());
            self.left -= body;
            written = &written[body..];
            let size = written.len().min(4 - self.size.len());
            if self.left == 0 && size > 0 {
                self.size.extend(&written[..size]);
                written = &written[size..];
                if let Ok(size) = <[u8; 4]>::try_from(self.size.as_slice()) {
                    self.left = u32::from_be_bytes(size) as usize;
                    self.size.clear();
                    self.requests.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

impl AsyncRead for CountedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for CountedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.count(&bytes[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Connector for Counted {
    fn connect<'a>(&'a self, address: &'a HostPort, _: Duration) -> Connecting<'a> {
        Box::pin(async move {
            let stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
            stream.set_nodelay(true)?;
            let stream = CountedStream {
                stream,
                requests: Arc::clone(&self.requests),
                left: 0,
                size: Vec::new(),
            };
            Ok(Box::new(stream) as BoxedStream)
        })
    }
}

/// Runs `work`; prints and gives its milliseconds and requests.
async fn measured(counted: &Counted, work: impl Future<Output = ()>) -> (u128, usize) {
    let before = counted.requests.load(Ordering::Relaxed);
    let start = Instant::now();
    work.await;
    let requests = counted.requests.load(Ordering::Relaxed) - before;
    (start.elapsed().as_millis(), requests)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: `just admin-beside-java`"]
#[allow(
    clippy::await_holding_lock,
    reason = "the cluster is this test's until it ends"
)]
async fn beside_javas_admin() {
    const ROUNDS: usize = 3;
    let kafka = blocking(kafka);
    let counted = Counted::default();
    let client = Client::builder(&kafka.bootstrap()).connector(counted.clone());
    let admin = client.connect().await.unwrap().admin();
    // By another client: this one shall know no coordinators yet, as Java's does not.
    let other = connect(&kafka.bootstrap()).await.admin();
    let (groups, partition) = groups_with_offsets(&kafka, &other).await;
    let base = &*partition.topic;
    let java = |round: usize| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("java/AdminWork.java");
        let tool = kafka.tool(source.to_str().unwrap()).unwrap();
        let count = COUNT.to_string();
        let rounds = if round == 0 { "1" } else { "2" };
        let tool = tool.args([kafka.bootstrap().as_str(), base, &count, rounds]);
        tool.run().unwrap().text()
    };
    for round in 0..ROUNDS {
        let topics: Vec<String> = (0..COUNT)
            .map(|at| format!("{base}-ours-{round}-{at}"))
            .collect();
        let create = measured(&counted, async {
            let new = topics
                .iter()
                .map(|name| NewTopic::new(name).partitions(1).replication_factor(1));
            admin.create_topics(new).await.unwrap().all().unwrap();
        });
        let create = create.await;
        // Each broker in turn is asked, and learns of topics at its own time.
        let known_to = Cell::new(0);
        until("all topics on all brokers", || async {
            let known = admin.describe_topics(&topics).await.unwrap().all().is_ok();
            known_to.set(if known { known_to.get() + 1 } else { 0 });
            (known_to.get() == 3).then_some(())
        })
        .await;
        let describe = measured(&counted, async {
            let described = admin.describe_topics(&topics).await.unwrap().all().unwrap();
            assert_eq!(described.len(), COUNT);
        });
        let describe = describe.await;
        let delete = measured(&counted, async {
            admin.delete_topics(&topics).await.unwrap().all().unwrap();
        });
        let delete = delete.await;
        let offsets = measured(&counted, offsets_are_whole(&admin, &groups, &partition)).await;
        for (what, (millis, requests)) in [
            ("create", create),
            ("describe", describe),
            ("delete", delete),
            ("offsets", offsets),
        ] {
            println!("klamm {what} {millis} ms {requests} requests");
        }
        for line in blocking(|| java(round)).lines() {
            println!("java {line}");
        }
    }
}
