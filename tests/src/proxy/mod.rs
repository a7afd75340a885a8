//! A fault proxy: it stands between clients and one broker and does to their connections what networks do.
//!
//! It knows Kafka's frames, so that a fault can hit exactly one request or its response: cut after the broker
//! has carried the request out and before the client learns of it, hold one request back, answer with a wrong
//! correlation id. It runs on threads of its own, not on the runtime of the client under test.
//!
//! Owns: a listening port on the loopback, rules, what they did.
//! Does not: understand more of a message than its size, API, version and correlation id. A connection that
//! starts with TLS is passed on as it is: faults of the whole connection work there, rules do not.
//!
//! Invariants
//! - without rules the bytes that arrive are those that were sent
//! - whatever is done to a connection, it ends with the proxy
//! - all that is random comes from a seed, per connection and direction; every fault done is written down
//!
//! ```no_run
//! use klamm_tests::{Action, Kafka, Rule};
//!
//! let kafka = Kafka::builder().proxied().start()?;
//! let topic = kafka.create_topic("orders", 1)?;
//! // Clients connect to `kafka.proxied_bootstrap()`. The next Produce is carried out, but not acknowledged:
//! kafka.proxy(1).inject(Rule::response(0, Action::Cut));
//! # Ok::<(), klamm_tests::Error>(())
//! ```

mod connection;
mod frame;
mod rule;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use self::connection::Connection;
use self::rule::Rules;
pub use self::rule::{Action, AppliedFault, Direction, RandomFaults, Rule};
use crate::error::{Error, Result};
use crate::ports::free_ports;

/// What the proxy does with whoever connects.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// It connects them to the broker.
    Forward,
    /// It closes their connection at once, as a port where nobody serves.
    Close,
    /// It lets them connect and never answers, as a host that has gone away behind a firewall.
    Swallow,
}

/// A proxy in front of one broker. Dropping it ends its connections.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    port: u16,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    started: Instant,
    ended: AtomicBool,
    state: Mutex<State>,
    rules: Mutex<Rules>,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    upstream: u16,
    connections: BTreeMap<u64, Arc<Connection>>,
    accepted: u64,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Proxy {
    /// Starts a proxy in front of the broker that listens (or will listen) on `upstream` of the loopback.
    ///
    /// # Errors
    /// No port could be opened.
    pub fn start(upstream: u16) -> Result<Self> {
        let port = free_ports(1)?[0];
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .map_err(|error| Error::new(format!("no port for a proxy: {error}")))?;
        let shared = Arc::new(Shared {
            started: Instant::now(),
            ended: AtomicBool::new(false),
            state: Mutex::new(State {
                mode: Mode::Forward,
                upstream,
                connections: BTreeMap::new(),
                accepted: 0,
            }),
            rules: Mutex::default(),
        });
        let acceptor = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || accept(&shared, &listener))
        };
        Ok(Self {
            shared,
            port,
            acceptor: Some(acceptor),
        })
    }

    /// Where clients connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Leads new connections to another port.
    pub fn forward_to(&self, upstream: u16) {
        self.shared.state().upstream = upstream;
    }

    /// Does so with new connections from now on; those that are open stay.
    pub fn set_mode(&self, mode: Mode) {
        self.shared.state().mode = mode;
    }

    /// Adds a rule. Rules are tried in the order in which they were added; the first that fits a frame is used.
    pub fn inject(&self, rule: Rule) {
        self.shared.rules().push(rule);
    }

    /// Draws faults from a seed, for frames that no rule fits.
    pub fn inject_random(&self, faults: RandomFaults) {
        self.shared.rules().random = Some(faults);
    }

    /// Forgets all rules, and lets go of what they hold back.
    pub fn clear(&self) {
        self.shared.rules().clear();
        self.release();
    }

    /// Lets go of what [`Action::Hold`] holds back.
    pub fn release(&self) {
        for connection in self.connections() {
            connection.release();
        }
    }

    /// Cuts all open connections; gives their number.
    pub fn cut(&self) -> usize {
        self.for_each(Connection::cut)
    }

    /// Makes all open connections half-open: from now on nothing passes, and nobody is told.
    pub fn swallow(&self) -> usize {
        self.for_each(Connection::swallow)
    }

    /// The number of connections that are open.
    pub fn open(&self) -> usize {
        self.connections().len()
    }

    /// How many have been accepted so far.
    pub fn accepted(&self) -> u64 {
        self.shared.state().accepted
    }

    /// What was done so far, oldest first.
    pub fn applied(&self) -> Vec<AppliedFault> {
        self.shared.rules().applied.clone()
    }

    /// Waits until `count` faults were done.
    ///
    /// # Errors
    /// They were not within `patience`; the error tells what was.
    pub fn wait_until_applied(&self, count: usize, patience: Duration) -> Result<()> {
        let done = crate::deadline::wait_for(patience, || {
            (self.shared.rules().applied.len() >= count).then_some(())
        });
        done.ok_or_else(|| {
            Error::new(format!(
                "{count} faults were to be done within {patience:?}, these were: {:?}",
                self.applied()
            ))
        })
    }

    fn for_each(&self, act: impl Fn(&Connection)) -> usize {
        let connections = self.connections();
        for connection in &connections {
            act(connection);
        }
        connections.len()
    }

    fn connections(&self) -> Vec<Arc<Connection>> {
        self.shared.state().connections.values().cloned().collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the acceptor.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        self.cut();
    }
}

fn accept(shared: &Arc<Shared>, listener: &TcpListener) {
    for client in listener.incoming() {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok(client) = client else { continue };
        let shared = Arc::clone(shared);
        // Connecting to the broker may take long.
        thread::spawn(move || serve(&shared, client));
    }
}

fn serve(shared: &Arc<Shared>, client: TcpStream) {
    let (mode, upstream, id) = {
        let mut state = shared.state();
        state.accepted += 1;
        (state.mode, state.upstream, state.accepted)
    };
    let broker = match mode {
        Mode::Close => return,
        Mode::Swallow => None,
        Mode::Forward => match TcpStream::connect((Ipv4Addr::LOCALHOST, upstream)) {
            Ok(broker) => Some(broker),
            Err(_) => return,
        },
    };
    let connection = Arc::new(Connection::new(id, client, broker));
    shared
        .state()
        .connections
        .insert(id, Arc::clone(&connection));
    if shared.ended.load(Ordering::SeqCst) {
        connection.cut();
    }
    connection.run(shared);
    shared.state().connections.remove(&id);
}
