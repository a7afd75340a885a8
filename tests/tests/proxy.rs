//! The fault proxy by itself: between a plain client and a peer that echoes frames.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use klamm_tests::{Action, Direction, Mode, Proxy, RandomFaults, Rule};

const PATIENCE: Duration = Duration::from_secs(20);
const PRODUCE: i16 = 0;
const FETCH: i16 = 1;

/// A peer that answers each request with its correlation id and its body.
struct Echo {
    port: u16,
    requests: Arc<AtomicUsize>,
}

impl Echo {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let counter = Arc::clone(&counter);
                thread::spawn(move || {
                    while let Some(request) = read_frame(&mut stream) {
                        counter.fetch_add(1, Ordering::SeqCst);
                        if write_frame(&mut stream, &request[4..]).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { port, requests }
    }
}

fn read_frame(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut size = [0; 4];
    stream.read_exact(&mut size).ok()?;
    let mut frame = vec![0; u32::from_be_bytes(size) as usize];
    stream.read_exact(&mut frame).ok()?;
    Some(frame)
}

fn write_frame(stream: &mut TcpStream, frame: &[u8]) -> std::io::Result<()> {
    stream.write_all(&(frame.len() as u32).to_be_bytes())?;
    stream.write_all(frame)
}

struct Client {
    stream: TcpStream,
    last_id: i32,
}

impl Client {
    fn connect(proxy: &Proxy) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, last_id: 0 }
    }

    /// Writes a request with this body.
    fn ask(&mut self, api: i16, body: &[u8]) {
        self.last_id += 1;
        let mut frame = Vec::new();
        frame.extend_from_slice(&api.to_be_bytes());
        frame.extend_from_slice(&[0, 0]);
        frame.extend_from_slice(&self.last_id.to_be_bytes());
        frame.extend_from_slice(body);
        // Whether it arrives is what the answer tells.
        let _ = write_frame(&mut self.stream, &frame);
    }

    /// The next response: correlation id and body.
    fn answer(&mut self) -> Option<(i32, Vec<u8>)> {
        let frame = read_frame(&mut self.stream)?;
        let id = i32::from_be_bytes(frame[..4].try_into().unwrap());
        Some((id, frame[4..].to_vec()))
    }

    fn exchange(&mut self, api: i16, body: &[u8]) -> Option<(i32, Vec<u8>)> {
        self.ask(api, body);
        self.answer()
    }

    /// What the next read gives: a number of bytes, or the kind of the error.
    fn read(&mut self, patience: Duration) -> Result<usize, ErrorKind> {
        self.stream.set_read_timeout(Some(patience)).unwrap();
        let mut buffer = [0; 4096];
        self.stream.read(&mut buffer).map_err(|error| error.kind())
    }
}

fn start() -> (Echo, Proxy) {
    let echo = Echo::start();
    let proxy = Proxy::start(echo.port).unwrap();
    (echo, proxy)
}

#[test]
fn without_rules_every_byte_arrives() {
    let (_echo, proxy) = start();
    let mut client = Client::connect(&proxy);
    for size in [0, 1, 100, 70_000, 8 << 20] {
        let body: Vec<u8> = (0..size)
            .map(|at: usize| (at * 7 + at / 251) as u8)
            .collect();
        let id = client.last_id + 1;
        assert_eq!(client.exchange(PRODUCE, &body), Some((id, body)));
    }
    // Requests that overtake the answers of those before them.
    for number in 0..100_u8 {
        client.ask(FETCH, &[number]);
    }
    for number in 0..100 {
        assert_eq!(client.answer().unwrap().1, [number]);
    }
    assert!(proxy.applied().is_empty());
    assert_eq!(proxy.accepted(), 1);
}

#[test]
fn a_response_is_cut_off_after_the_request_was_carried_out() {
    let (echo, proxy) = start();
    let mut client = Client::connect(&proxy);
    proxy.inject(Rule::response(PRODUCE, Action::Cut));
    assert!(client.exchange(FETCH, b"passes").is_some());
    assert_eq!(client.exchange(PRODUCE, b"is done"), None);
    assert_eq!(echo.requests.load(Ordering::SeqCst), 2);
    let applied = proxy.applied();
    assert_eq!(applied.len(), 1);
    assert_eq!(
        (applied[0].direction, applied[0].api),
        (Direction::Response, PRODUCE)
    );
    assert!(
        Client::connect(&proxy)
            .exchange(PRODUCE, b"again")
            .is_some()
    );
}

#[test]
fn a_request_is_cut_off_before_it_arrives() {
    let (echo, proxy) = start();
    for action in [Action::Cut, Action::CutInside(6), Action::Reset] {
        proxy.inject(Rule::request(PRODUCE, action.clone()));
        let mut client = Client::connect(&proxy);
        assert_eq!(client.exchange(PRODUCE, b"0123456789"), None, "{action:?}");
    }
    assert_eq!(echo.requests.load(Ordering::SeqCst), 0);
}

#[test]
fn a_reset_is_told_from_an_orderly_end() {
    let (_echo, proxy) = start();
    for (action, expected) in [
        (Action::Reset, Err(ErrorKind::ConnectionReset)),
        (Action::Cut, Ok(0)),
    ] {
        proxy.inject(Rule::response(PRODUCE, action));
        let mut client = Client::connect(&proxy);
        client.ask(PRODUCE, b"");
        assert_eq!(client.read(PATIENCE), expected);
    }
}

#[test]
fn frames_are_cut_and_stalled_in_the_middle_and_behind() {
    let (_echo, proxy) = start();
    for (action, bytes) in [(Action::CutInside(6), 6), (Action::CutBehind, 8 + 10)] {
        proxy.inject(Rule::response(PRODUCE, action));
        let mut client = Client::connect(&proxy);
        client.ask(PRODUCE, b"0123456789");
        let mut read = Vec::new();
        client.stream.read_to_end(&mut read).unwrap();
        assert_eq!(read.len(), bytes);
    }
    proxy.inject(Rule::response(PRODUCE, Action::StallInside(6)));
    let mut client = Client::connect(&proxy);
    client.ask(PRODUCE, b"0123456789");
    client.stream.read_exact(&mut [0; 6]).unwrap();
    let nothing = client.read(Duration::from_millis(100));
    assert_eq!(nothing, Err(ErrorKind::WouldBlock));
    assert_eq!(proxy.open(), 1);
}

#[test]
fn a_connection_that_swallows_stays_open_and_silent() {
    let (echo, proxy) = start();
    let mut client = Client::connect(&proxy);
    assert!(client.exchange(FETCH, b"").is_some());
    proxy.inject(Rule::request(PRODUCE, Action::Swallow));
    client.ask(PRODUCE, b"");
    client.ask(FETCH, b"");
    assert_eq!(
        client.read(Duration::from_millis(100)),
        Err(ErrorKind::WouldBlock)
    );
    assert_eq!(echo.requests.load(Ordering::SeqCst), 1);
    assert_eq!(proxy.cut(), 1);
    assert_eq!(client.read(PATIENCE), Ok(0));
}

#[test]
fn frames_are_changed_as_the_rule_says() {
    let (_echo, proxy) = start();
    let mut client = Client::connect(&proxy);
    proxy.inject(Rule::response(PRODUCE, Action::Corrupt { at: -1, xor: 1 }));
    assert_eq!(client.exchange(PRODUCE, b"abc"), Some((1, b"abb".to_vec())));
    proxy.inject(Rule::response(PRODUCE, Action::Corrupt { at: 4, xor: 1 }));
    assert_eq!(client.exchange(PRODUCE, b"abc"), Some((2, b"`bc".to_vec())));
    for (id, rule) in [(3, Rule::request as fn(_, _) -> _), (4, Rule::response)] {
        proxy.inject(rule(PRODUCE, Action::WrongCorrelationId));
        let (answered, body) = client.exchange(PRODUCE, b"abc").unwrap();
        assert_ne!(answered, id);
        assert_eq!(body, b"abc");
    }
    proxy.inject(Rule::response(PRODUCE, Action::Trickle(1, Duration::ZERO)));
    assert_eq!(client.exchange(PRODUCE, b"abc"), Some((5, b"abc".to_vec())));
    proxy.inject(Rule::response(PRODUCE, Action::Size(-1)));
    client.ask(PRODUCE, b"abc");
    let mut size = [0; 4];
    client.stream.read_exact(&mut size).unwrap();
    assert_eq!(size, [0xff; 4]);
}

#[test]
fn what_is_held_back_waits_until_it_is_let_go_and_keeps_its_order() {
    let (echo, proxy) = start();
    let mut client = Client::connect(&proxy);
    proxy.inject(Rule::request(PRODUCE, Action::Hold));
    client.ask(PRODUCE, b"held");
    client.ask(FETCH, b"behind");
    proxy.wait_until_applied(1, PATIENCE).unwrap();
    assert!(Client::connect(&proxy).exchange(FETCH, b"other").is_some());
    assert_eq!(echo.requests.load(Ordering::SeqCst), 1);
    proxy.release();
    assert_eq!(client.answer().unwrap().1, b"held");
    assert_eq!(client.answer().unwrap().1, b"behind");
    proxy.inject(Rule::request(
        PRODUCE,
        Action::Delay(Duration::from_millis(30)),
    ));
    let asked = Instant::now();
    assert!(client.exchange(PRODUCE, b"late").is_some());
    assert!(asked.elapsed() >= Duration::from_millis(30));
}

#[test]
fn a_host_is_away_closed_or_elsewhere() {
    let (_echo, proxy) = start();
    proxy.set_mode(Mode::Close);
    assert_eq!(Client::connect(&proxy).exchange(FETCH, b""), None);
    proxy.set_mode(Mode::Swallow);
    let mut silent = Client::connect(&proxy);
    silent.ask(FETCH, b"");
    assert_eq!(
        silent.read(Duration::from_millis(100)),
        Err(ErrorKind::WouldBlock)
    );
    proxy.set_mode(Mode::Forward);
    let other = Echo::start();
    proxy.forward_to(other.port);
    assert!(Client::connect(&proxy).exchange(FETCH, b"").is_some());
    assert_eq!(other.requests.load(Ordering::SeqCst), 1);
}

#[test]
fn tls_passes_through_and_can_be_cut() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap().port()).unwrap();
    let mut client = Client::connect(&proxy);
    client
        .stream
        .write_all(&[22, 3, 1, 0, 5, 1, 2, 3, 4, 5])
        .unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    let mut hello = [0; 10];
    peer.read_exact(&mut hello).unwrap();
    assert_eq!(hello, [22, 3, 1, 0, 5, 1, 2, 3, 4, 5]);
    peer.write_all(&[22, 3, 3, 0, 1, 9]).unwrap();
    client.stream.read_exact(&mut [0; 6]).unwrap();
    assert_eq!(proxy.cut(), 1);
    assert_eq!(client.read(PATIENCE), Ok(0));
}

#[test]
fn random_faults_are_written_down_and_the_proxy_ends_with_all_its_connections() {
    let (_echo, proxy) = start();
    proxy.inject_random(RandomFaults {
        seed: 7,
        one_in: 5,
        actions: vec![
            Action::Cut,
            Action::CutInside(3),
            Action::Trickle(2, Duration::ZERO),
        ],
    });
    let mut failed = 0;
    let mut client = Client::connect(&proxy);
    for _ in 0..100 {
        if client.exchange(PRODUCE, b"0123456789").is_none() {
            failed += 1;
            client = Client::connect(&proxy);
        }
    }
    let cuts = proxy.applied();
    let cuts = cuts
        .iter()
        .filter(|fault| !matches!(fault.action, Action::Trickle(..)));
    assert_eq!(cuts.count(), failed);
    assert!(failed > 5, "{failed}");
    proxy.clear();
    assert!(client.exchange(PRODUCE, b"").is_some());
    drop(proxy);
    assert_eq!(client.read(PATIENCE), Ok(0));
}
