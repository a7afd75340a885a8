//! One connection through the proxy: a thread each way.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::Shared;
use super::frame::{Frame, SIZE, id_at, is_tls};
use super::rule::{Action, Direction};

/// Both sides of a connection.
#[derive(Debug)]
pub(super) struct Connection {
    id: u64,
    client: TcpStream,
    /// `None` if it was never led to one.
    broker: Option<TcpStream>,
    fate: Mutex<Fate>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Fate {
    cut: bool,
    swallows: bool,
    /// How often what is held back was let go.
    releases: u64,
    /// APIs of the requests that await responses, by correlation id.
    asked: HashMap<i32, i16>,
}

/// Whether a direction goes on.
enum Next {
    Frame,
    End,
}

impl Connection {
    pub(super) fn new(id: u64, client: TcpStream, broker: Option<TcpStream>) -> Self {
        for stream in [Some(&client), broker.as_ref()].into_iter().flatten() {
            let _ = stream.set_nodelay(true);
        }
        Self {
            id,
            client,
            broker,
            fate: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    pub(super) fn run(&self, shared: &Shared) {
        match &self.broker {
            None => {
                drain(&self.client);
                self.cut();
            }
            Some(broker) => thread::scope(|scope| {
                scope.spawn(|| {
                    self.pump(shared, Direction::Response, broker, &self.client);
                });
                self.pump(shared, Direction::Request, &self.client, broker);
            }),
        }
    }

    pub(super) fn cut(&self) {
        self.fate().cut = true;
        self.changed.notify_all();
        for stream in self.streams() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub(super) fn swallow(&self) {
        self.fate().swallows = true;
    }

    pub(super) fn release(&self) {
        self.fate().releases += 1;
        self.changed.notify_all();
    }

    fn reset(&self) {
        for stream in self.streams() {
            // What is closed with this setting is reset; the close comes when the connection is dropped, and a
            // shutdown before it would be a FIN.
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
        self.fate().cut = true;
        self.changed.notify_all();
        for stream in self.streams() {
            let _ = stream.shutdown(Shutdown::Read);
        }
    }

    fn streams(&self) -> impl Iterator<Item = &TcpStream> {
        std::iter::once(&self.client).chain(&self.broker)
    }

    fn fate(&self) -> MutexGuard<'_, Fate> {
        self.fate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes on what comes from one side, until it ends or a fault ends it.
    fn pump(&self, shared: &Shared, direction: Direction, from: &TcpStream, to: &TcpStream) {
        // How it ends does not matter: the other side learns of it.
        let _ = self.try_pump(shared, direction, from, to);
        // A shutdown after a reset would make it an orderly end.
        if !self.fate().cut {
            self.cut();
        }
    }

    fn try_pump(
        &self,
        shared: &Shared,
        direction: Direction,
        mut from: &TcpStream,
        mut to: &TcpStream,
    ) -> io::Result<()> {
        for number in 0.. {
            let mut size = [0; SIZE];
            from.read_exact(&mut size)?;
            if number == 0 && is_tls(size) {
                to.write_all(&size)?;
                return self.pass_on_all(from, to);
            }
            let mut frame = Frame::read(size, &mut from)?;
            self.name(direction, &mut frame);
            let at = shared.started.elapsed();
            let action = shared.rules().apply(at, self.id, direction, number, &frame);
            if self.fate().swallows {
                continue;
            }
            if let Next::End = self.pass_on(direction, action.as_ref(), frame, from, to)? {
                break;
            }
        }
        Ok(())
    }

    /// Passes on bytes that are no frames.
    fn pass_on_all(&self, mut from: &TcpStream, mut to: &TcpStream) -> io::Result<()> {
        let mut buffer = vec![0; 16 << 10];
        loop {
            let length = from.read(&mut buffer)?;
            if length == 0 {
                return Ok(());
            }
            if !self.fate().swallows {
                to.write_all(&buffer[..length])?;
            }
        }
    }

    /// Finds out which API a frame belongs to.
    fn name(&self, direction: Direction, frame: &mut Frame) {
        let mut fate = self.fate();
        let api = match direction {
            Direction::Request => {
                let named = frame.request_api().zip(frame.id(direction));
                named.map(|(api, id)| {
                    fate.asked.insert(id, api);
                    api
                })
            }
            Direction::Response => frame.id(direction).and_then(|id| fate.asked.remove(&id)),
        };
        frame.api = api.unwrap_or(-1);
    }

    fn pass_on(
        &self,
        direction: Direction,
        action: Option<&Action>,
        frame: Frame,
        from: &TcpStream,
        mut to: &TcpStream,
    ) -> io::Result<Next> {
        let mut bytes = frame.bytes;
        match action {
            None => to.write_all(&bytes)?,
            Some(Action::Delay(time)) => {
                self.wait(*time);
                to.write_all(&bytes)?;
            }
            Some(Action::Hold) => {
                self.wait_for_release();
                to.write_all(&bytes)?;
            }
            Some(Action::Cut) => return Ok(Next::End),
            Some(Action::Reset) => {
                self.reset();
                return Ok(Next::End);
            }
            Some(Action::CutInside(length)) => {
                to.write_all(&bytes[..bytes.len().min(*length)])?;
                return Ok(Next::End);
            }
            Some(Action::CutBehind) => {
                to.write_all(&bytes)?;
                return Ok(Next::End);
            }
            Some(Action::StallInside(length)) => {
                to.write_all(&bytes[..bytes.len().min(*length)])?;
                drain(from);
                return Ok(Next::End);
            }
            Some(Action::Swallow) => self.swallow(),
            Some(Action::Trickle(length, pause)) => {
                for piece in bytes.chunks((*length).max(1)) {
                    to.write_all(piece)?;
                    self.wait(*pause);
                }
            }
            Some(Action::Corrupt { at, xor }) => {
                let body = &mut bytes[SIZE..];
                let at = if *at < 0 {
                    body.len().wrapping_add_signed(*at)
                } else {
                    at.unsigned_abs()
                };
                if let Some(byte) = body.get_mut(at) {
                    *byte ^= *xor;
                }
                to.write_all(&bytes)?;
            }
            Some(Action::Size(size)) => {
                bytes[..SIZE].copy_from_slice(&size.to_be_bytes());
                to.write_all(&bytes)?;
            }
            Some(Action::WrongCorrelationId) => {
                if let Some(first) = bytes.get_mut(id_at(direction)) {
                    *first ^= 0x55;
                }
                to.write_all(&bytes)?;
            }
        }
        Ok(Next::Frame)
    }

    /// Waits, but not beyond the end of the connection.
    fn wait(&self, time: Duration) {
        let until = Instant::now() + time;
        let mut fate = self.fate();
        while !fate.cut {
            let Some(left) = until.checked_duration_since(Instant::now()) else {
                return;
            };
            fate = self
                .changed
                .wait_timeout(fate, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn wait_for_release(&self) {
        let fate = self.fate();
        let releases = fate.releases;
        let held = |fate: &mut Fate| !fate.cut && fate.releases == releases;
        drop(self.changed.wait_while(fate, held));
    }
}

/// Takes what comes until the other side ends.
fn drain(mut stream: &TcpStream) {
    let _ = io::copy(&mut stream, &mut io::sink());
}
