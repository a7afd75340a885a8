//! The real broker that klamm's suites run against, and the Java client that judges them.
//!
//! Owns: fetching Apache Kafka from Maven Central, starting one or three nodes as child processes on loopback
//! ports, killing, stopping, pausing and restarting them, running Kafka's command line tools, and a Java
//! producer/consumer whose word is compared with ours ([`JavaOracle`]).
//! Does not: use any crate of klamm. A harness that spoke through the client under test could not accuse it.
//!
//! Invariants
//! - no child outlives the test process, however that process ends (see `supervisor`)
//! - every wait has a deadline and names what it waited for
//! - a broker listens on 127.0.0.1 only
//! - a failed test keeps the logs of its brokers and says where they are
//!
//! ```no_run
//! use klamm_tests::Kafka;
//!
//! let kafka = Kafka::builder().nodes(3).start()?;
//! let topic = kafka.create_topic("orders", 6)?;
//! kafka.leader_of(&topic, 0)?.kill()?;
//! # Ok::<(), klamm_tests::Error>(())
//! ```
//!
//! | environment variable | meaning |
//! |---|---|
//! | `KLAMM_TEST_KAFKA_VERSION` | the version where a test names none, [`DEFAULT_VERSION`] otherwise |
//! | `KLAMM_TEST_CACHE` | where the jars are kept, `$XDG_CACHE_HOME/klamm-tests` or `~/.cache/klamm-tests` otherwise |
//! | `KLAMM_TEST_KEEP` | set to keep the logs of successful runs too |
//! | `JAVA_HOME` | the Java to use, the one in `PATH` otherwise |

mod builder;
mod deadline;
mod error;
mod hanging;
mod jars;
mod java_oracle;
mod java_tools;
mod kafka;
mod node;
mod ports;
mod properties;
mod proxy;
mod run_dir;
mod supervisor;
mod tool;
mod version;
mod wire;
mod zookeeper;

pub use builder::KafkaBuilder;
pub use error::{Error, Result};
pub use jars::Jars;
pub use java_oracle::{JavaOracle, OracleHeader, OraclePosition, OracleRecord, OracleStep};
pub use java_tools::{JavaTools, Printed};
pub use kafka::Kafka;
pub use node::Node;
pub use proxy::{Action, AppliedFault, Direction, Mode, Proxy, RandomFaults, Rule};
pub use supervisor::process_is_alive;
pub use tool::{RunningTool, Tool, ToolOutput};
pub use version::{DEFAULT_VERSION, Version};
