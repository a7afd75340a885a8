//! One connection with many requests in flight, and the metadata of a client that uses few topics of many.
//!
//! The test broker runs in a process of its own, the client on one thread of this one, so that CPU time and memory
//! are the client's alone. Linux only: the figures come from `/proc`.

mod process;

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use klamm_codec::api::Request;
use klamm_codec::messages::{FindCoordinatorRequest, StrBytes, encode_request};
use klamm_net::{ClientConfig, Cluster, Connection, Lane, NodeId, PendingResponse};
use klamm_testbroker::TestBroker;
use process::{Cpu, resident_bytes};

const TOPICS: usize = 100;
const PARTITIONS: i32 = 100;
const REQUESTS: usize = 200_000;
const PATIENCE: Duration = Duration::from_secs(30);
const SERVE: &str = "--serve";

fn main() -> io::Result<()> {
    if std::env::args().any(|argument| argument == SERVE) {
        return serve();
    }
    let broker = Broker::start()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        pipelining(&broker.bootstrap).await;
        metadata(&broker.bootstrap).await;
    });
    Ok(())
}

/// Requests of 1 KiB on one connection, so many in flight.
async fn pipelining(bootstrap: &str) {
    let cluster = connect(bootstrap).await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let connection = cluster.connection(NodeId(1), Lane::Produce, deadline).await;
    let connection = connection.expect("the broker listens");
    ask(&connection, 1, 1000).await;
    for depth in [1, 8, 64] {
        let requests = if depth == 1 { REQUESTS / 10 } else { REQUESTS };
        let (started, before) = (Instant::now(), Cpu::now());
        ask(&connection, depth, requests).await;
        let (elapsed, used) = (started.elapsed(), Cpu::now().since(&before));
        println!(
            "{depth:>3} in flight: {:>8.0} requests/s, {:>6.0} ns CPU/request ({:.0} % in the kernel)",
            requests as f64 / elapsed.as_secs_f64(),
            used.total.as_nanos() as f64 / requests as f64,
            used.kernel_share() * 100.0,
        );
    }
}

async fn ask(connection: &Connection, depth: usize, requests: usize) {
    let api = FindCoordinatorRequest::API;
    let version = connection.version(api).expect("every broker has it");
    let key = StrBytes::from_string("k".repeat(1000));
    let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![key]);
    let send = || {
        let encode = |id, client: &str| Ok(vec![encode_request(&request, version, id, client)?]);
        connection.send(api, PATIENCE, encode).expect("it is open")
    };
    let mut pending: VecDeque<PendingResponse> = VecDeque::with_capacity(depth);
    for _ in 0..requests {
        if pending.len() == depth {
            let oldest = pending.pop_front().expect("there are some");
            oldest.await.expect("an answer");
        }
        pending.push_back(send());
    }
    for pending in pending {
        pending.await.expect("an answer");
    }
}

/// A cluster of 10,000 partitions, of which a client uses those of 3 topics, then all.
async fn metadata(bootstrap: &str) {
    let empty = resident_bytes();
    let cluster = connect(bootstrap).await;
    for used in [3, TOPICS] {
        let names: Vec<_> = (0..used).map(topic).collect();
        cluster.add_topics(names.iter().map(String::as_str), false);
        let deadline = tokio::time::Instant::now() + PATIENCE;
        for name in &names {
            let found = cluster.topic(name, false, deadline).await;
            found.expect("the topic is there");
        }
        let mut refreshes = Vec::new();
        let before = Cpu::now();
        for _ in 0..20 {
            // Not one that waits for the pause after the last.
            tokio::time::sleep(Duration::from_millis(150)).await;
            let started = Instant::now();
            cluster.refresh(deadline).await.expect("a refresh");
            refreshes.push(started.elapsed());
        }
        let cpu = Cpu::now().since(&before).total / 20;
        refreshes.sort_unstable();
        println!(
            "{used:>3} of {TOPICS} topics of {PARTITIONS} partitions in use: a refresh takes {:?} (worst {:?}), {cpu:?} CPU; memory grew by {} KiB",
            refreshes[10],
            refreshes[19],
            resident_bytes().saturating_sub(empty) >> 10,
        );
        let before = Cpu::now();
        tokio::time::sleep(Duration::from_secs(5)).await;
        println!("    idle: {:?} CPU in 5 s", Cpu::now().since(&before).total);
    }
}

async fn connect(bootstrap: &str) -> Cluster {
    let config = ClientConfig::new(bootstrap).expect("an address");
    Cluster::connect(config).await.expect("the broker listens")
}

fn topic(number: usize) -> String {
    format!("topic-{number}")
}

/// The broker's process; it ends with its standard input.
struct Broker {
    bootstrap: Arc<str>,
    process: Child,
}

impl Broker {
    fn start() -> io::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg(SERVE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut bootstrap = String::new();
        let output = process.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut bootstrap)?;
        Ok(Self {
            bootstrap: Arc::from(bootstrap.trim()),
            process,
        })
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

fn serve() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let mut builder = TestBroker::builder();
    for number in 0..TOPICS {
        builder = builder.topic(topic(number), PARTITIONS);
    }
    let broker = runtime
        .block_on(builder.start())
        .map_err(io::Error::other)?;
    println!("{}", broker.bootstrap());
    io::stdout().flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
