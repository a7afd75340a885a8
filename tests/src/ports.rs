//! Free loopback ports for brokers.
//!
//! Ports are taken from below the range that the kernel uses for outgoing connections. A broker that is down must find
//! its port again, and a client that keeps dialling a dead port *inside* that range is one day given the very port as its
//! own and talks to itself (TCP simultaneous open), which no broker test survives.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::net::{Ipv4Addr, TcpListener};

use crate::error::{Error, Result};

const LOWEST: u16 = 10_240;
/// Where Linux starts its outgoing ports unless told otherwise; other systems start higher.
const OUTGOING_DEFAULT: u16 = 32_768;
const TRIES_PER_PORT: usize = 200;

/// `count` different ports of 127.0.0.1 that nobody listened on a moment ago.
///
/// Somebody else may take one before the broker does: the caller starts again with new ones.
pub(crate) fn free_ports(count: usize) -> Result<Vec<u16>> {
    let span = u64::from(outgoing_start().saturating_sub(LOWEST));
    let mut listeners = Vec::with_capacity(count);
    for _ in 0..count * TRIES_PER_PORT {
        if listeners.len() == count {
            break;
        }
        let port = if span == 0 {
            0
        } else {
            LOWEST + (random() % span) as u16
        };
        listeners.extend(TcpListener::bind((Ipv4Addr::LOCALHOST, port)));
    }
    if listeners.len() < count {
        return Err(Error::new(format!(
            "found only {} of {count} free loopback ports",
            listeners.len()
        )));
    }
    listeners
        .iter()
        .map(|listener| listener.local_addr().map(|address| address.port()))
        .collect::<std::io::Result<_>>()
        .map_err(|error| Error::new(format!("could not read the port of a listener: {error}")))
}

/// A random number, from the seed that std draws for its hash maps.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn outgoing_start() -> u16 {
    fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|range| range.split_whitespace().next()?.parse().ok())
        .unwrap_or(OUTGOING_DEFAULT)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ports_are_different_and_outside_the_range_of_outgoing_connections() {
        let ports = free_ports(20).unwrap();
        assert_eq!(ports.iter().collect::<HashSet<_>>().len(), 20);
        assert!(
            ports.iter().all(|port| *port < outgoing_start()),
            "{ports:?}"
        );
    }
}
