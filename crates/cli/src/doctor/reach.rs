//! Name and port: whether something listens there.

use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use klamm::HostPort;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout as within;

use super::steps::Steps;
use crate::failure::Failure;

/// Looks up the name and connects; whether something listens. `advice` says who gave the address.
pub(super) async fn examine(
    address: &HostPort,
    advice: &str,
    timeout: Duration,
    steps: &mut Steps<'_>,
) -> Result<bool, Failure> {
    let shown = address.to_string();
    let Some(found) = names(address, &shown, advice, timeout, steps).await? else {
        return Ok(false);
    };
    let mut last = None;
    for socket in &found {
        let started = Instant::now();
        match within(timeout, TcpStream::connect(socket)).await {
            Ok(Ok(_)) => {
                let took = started.elapsed().as_secs_f64() * 1000.0;
                let mut told = format!("connected to {socket} in {took:.1} ms");
                if let Some(error) = &last {
                    let _ = write!(told, ", after {error}");
                }
                steps.ok("TCP", &shown, &told)?;
                return Ok(true);
            }
            Ok(Err(error)) => last = Some(format!("{socket}: {}", refusal(&error))),
            Err(_) => {
                last = Some(format!(
                    "{socket}: no answer within {timeout:?}: a firewall drops what is sent there, or there is no such \
                     machine"
                ));
            }
        }
    }
    let reason = last.unwrap_or_else(|| "the name has no addresses".to_owned());
    steps.failed("TCP", &shown, &format!("{reason}; {advice}"))?;
    Ok(false)
}

/// The addresses of a name, if it has some.
async fn names(
    address: &HostPort,
    shown: &str,
    advice: &str,
    timeout: Duration,
    steps: &mut Steps<'_>,
) -> Result<Option<Vec<SocketAddr>>, Failure> {
    let host = address.host.as_str();
    if let Ok(ip) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok(Some(vec![SocketAddr::new(ip, address.port)]));
    }
    let reason = match within(timeout, lookup_host((host, address.port))).await {
        Ok(Ok(found)) => {
            let found: Vec<_> = found.collect();
            if !found.is_empty() {
                let ips: Vec<_> = found.iter().map(|socket| socket.ip().to_string()).collect();
                steps.ok("DNS", shown, &format!("{host} is {}", ips.join(", ")))?;
                return Ok(Some(found));
            }
            "the name has no addresses".to_owned()
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {timeout:?}"),
    };
    let told = format!(
        "{host} cannot be looked up ({reason}); is the name right, and known to the DNS of this machine? {advice}"
    );
    steps.failed("DNS", shown, &told)?;
    Ok(None)
}

fn refusal(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "refused: nobody listens on this port; does the broker run, and is the port right?"
                .to_owned()
        }
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
            format!("{error}: there is no way there from this machine (route, VPN, firewall)")
        }
        _ => error.to_string(),
    }
}
