//! `klamm doctor` against scripted faults: each is told by its own cause.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use serde_json::Value;

use crate::harness::{Broker, Ended, json, klamm, run};

/// What the doctor says of an address.
fn examined(arguments: &[&str]) -> (Ended, Value) {
    let doctor = ["doctor", "--json", "--timeout", "5s"];
    let ended = run(&mut klamm(&[&doctor[..], arguments].concat()), "");
    let document = json(&ended.stdout);
    (ended, document)
}

/// The only step that failed, and why.
fn failed(arguments: &[&str]) -> (String, String) {
    let (ended, document) = examined(arguments);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(document["healthy"], false);
    let steps = document["steps"].as_array().unwrap();
    let mut failed = steps.iter().filter(|step| step["status"] == "failed");
    let step = failed.next().unwrap();
    assert!(failed.next().is_none(), "{document:#}");
    let text = |name: &str| step[name].as_str().unwrap().to_owned();
    (text("step"), text("detail"))
}

/// Answers whatever comes with these bytes, and hangs up.
fn peer(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut bytes = [0; 1024];
            if stream.read(&mut bytes).is_ok_and(|read| read > 0) {
                let _ = stream.write_all(answer);
            }
            let _ = stream.shutdown(Shutdown::Write);
        }
    });
    address
}

/// A way to the broker which tells clients that the broker is where nobody listens.
fn misleading(broker: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let port: u16 = broker.rsplit(':').next().unwrap().parse().unwrap();
    let of = |port: u16| [&b"127.0.0.1"[..], &u32::from(port).to_be_bytes()].concat();
    let (told, instead) = (of(port), of(nobody));
    let broker = broker.to_owned();
    thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(mut client) = client else { return };
            let mut upstream = TcpStream::connect(&broker).unwrap();
            let (mut from, mut to) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut from, &mut to));
            let (told, instead) = (told.clone(), instead.clone());
            thread::spawn(move || {
                let mut length = [0; 4];
                while upstream.read_exact(&mut length).is_ok() {
                    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
                    if upstream.read_exact(&mut frame).is_err() {
                        return;
                    }
                    let at = frame.windows(told.len()).position(|window| window == told);
                    if let Some(at) = at {
                        frame[at..at + told.len()].copy_from_slice(&instead);
                    }
                    if client.write_all(&[&length[..], &frame].concat()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[test]
fn a_cluster_that_works_is_healthy() {
    let broker = Broker::start();
    let (ended, document) = examined(&["-b", &broker.broker.bootstrap()]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(document["healthy"], true);
    let steps = document["steps"].as_array().unwrap();
    let status = |name: &str| {
        let step = steps.iter().find(|step| step["step"] == name);
        step.map(|step| step["status"].as_str().unwrap()).unwrap()
    };
    for name in [
        "configuration",
        "TCP",
        "protocol",
        "cluster",
        "versions",
        "round trip",
    ] {
        assert_eq!(status(name), "ok", "{name}: {document:#}");
    }
    for name in ["TLS", "SASL"] {
        assert_eq!(status(name), "skipped", "{name}: {document:#}");
    }
    // It looks, and changes nothing.
    assert_eq!(broker.topics(), ["orders"]);
    assert_eq!(broker.stdout(&["consume", "orders", "-e"], ""), "");
}

#[test]
fn properties_that_make_no_sense_are_told_first() {
    let (step, detail) = failed(&["-X", "lingre.ms=5"]);
    assert_eq!(step, "configuration");
    assert!(detail.contains("linger.ms"), "{detail}");
}

#[test]
fn a_name_that_does_not_exist() {
    let (step, detail) = failed(&["-b", "no-such-broker.invalid:9092"]);
    assert_eq!(step, "DNS");
    assert!(detail.contains("no-such-broker.invalid"), "{detail}");
}

#[test]
fn a_port_where_nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let (step, detail) = failed(&["-b", &address]);
    assert_eq!(step, "TCP");
    assert!(detail.contains("nobody listens"), "{detail}");
}

#[test]
fn tls_to_a_plaintext_listener() {
    let broker = Broker::start();
    let address = broker.broker.bootstrap();
    let (step, detail) = failed(&["-b", &address, "-X", "security.protocol=SSL"]);
    assert_eq!(step, "TLS");
    assert!(detail.contains("plaintext listener"), "{detail}");
}

#[test]
fn plain_text_to_a_tls_listener() {
    // A fatal alert of TLS 1.2: unexpected message.
    let (step, detail) = failed(&["-b", &peer(&[21, 3, 3, 0, 2, 2, 10])]);
    assert_eq!(step, "protocol");
    assert!(detail.contains("security.protocol=SSL"), "{detail}");
    // Kafka's own way is to hang up.
    let (step, detail) = failed(&["-b", &peer(&[])]);
    assert_eq!(step, "protocol");
    assert!(detail.contains("TLS port"), "{detail}");
}

#[test]
fn something_that_is_not_kafka() {
    let (step, _) = failed(&["-b", &peer(b"HTTP/1.1 400 Bad Request\r\n\r\n")]);
    assert_eq!(step, "protocol");
}

#[test]
fn a_broker_that_advertises_where_nobody_listens() {
    let broker = Broker::start();
    let address = misleading(&broker.broker.bootstrap());
    let (step, detail) = failed(&["-b", &address]);
    assert!(matches!(step.as_str(), "TCP" | "advertised"), "{step}");
    assert!(detail.contains("advertised.listeners"), "{detail}");
}

#[test]
fn one_address_of_two_is_enough_to_go_on_and_not_to_be_healthy() {
    let broker = Broker::start();
    let both = format!("no-such-broker.invalid:9092,{}", broker.broker.bootstrap());
    let (step, _) = failed(&["-b", &both]);
    assert_eq!(step, "DNS");
    let (_, document) = examined(&["-b", &both]);
    let steps = document["steps"].as_array().unwrap();
    let versions = steps
        .iter()
        .find(|step| step["step"] == "versions")
        .unwrap();
    assert_eq!(versions["status"], "ok");
}
