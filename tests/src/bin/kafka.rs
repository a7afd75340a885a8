//! A Kafka for the hand: starts brokers as the tests do, and ends them when its standard input ends.
//!
//! `cargo run -p klamm-tests --bin kafka -- [--version 4.3.1] [--nodes 3] [--fetch] [property=value …]`
//!
//! Prints `pid` and `log` per broker, then `bootstrap` once all answer. With `--fetch` it only fetches the jars.

use std::env;
use std::io;
use std::process::ExitCode;

use klamm_tests::{Jars, Kafka, KafkaBuilder, Version};

const USAGE: &str =
    "usage: kafka [--version VERSION] [--nodes COUNT] [--fetch] [property=value ...]";

/// What the command line asks for.
struct Wish {
    version: Option<String>,
    builder: KafkaBuilder,
    fetch_only: bool,
}

fn main() -> ExitCode {
    let Some(wish) = wish(env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(wish) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn wish(mut arguments: impl Iterator<Item = String>) -> Option<Wish> {
    let mut wish = Wish {
        version: None,
        builder: Kafka::builder(),
        fetch_only: false,
    };
    while let Some(argument) = arguments.next() {
        match (argument.as_str(), argument.split_once('=')) {
            ("--fetch", _) => wish.fetch_only = true,
            ("--version", _) => wish.version = Some(arguments.next()?),
            ("--nodes", _) => wish.builder = wish.builder.nodes(arguments.next()?.parse().ok()?),
            (_, Some((name, value))) => wish.builder = wish.builder.property(name, value),
            _ => return None,
        }
    }
    Some(wish)
}

fn run(wish: Wish) -> klamm_tests::Result<()> {
    let version = wish
        .version
        .map_or_else(Version::from_env, |text| text.parse())?;
    if wish.fetch_only {
        return Jars::of(version).map(drop);
    }
    let kafka = wish.builder.version(&version.to_string()).start()?;
    for node in kafka.nodes() {
        println!("pid {}", node.pid().unwrap_or_default());
        println!("log {}", node.log_path().display());
    }
    println!("bootstrap {}", kafka.bootstrap());
    // The end of our input, or of us: either ends the brokers.
    io::copy(&mut io::stdin(), &mut io::sink()).ok();
    Ok(())
}
