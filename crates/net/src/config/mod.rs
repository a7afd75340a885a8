//! Kafka's property names: what `from_properties` of client, producer, consumer and admin understands.
//!
//! Owns: the table of every property (who reads it, what it may hold, whether klamm implements it), librdkafka's
//! spellings of them, Java's properties file format, and the checks across settings.
//! Does not: hold defaults or the typed settings (each role's config does), read files, know what a setting does.
//!
//! Invariants
//! - a [`PropertySet`] that exists is valid for its role; all problems of a set are reported at once
//! - a property that klamm does not implement is never ignored in silence: it is an error, unless it holds the value
//!   klamm acts by anyway, or a warning where nothing could depend on it
//! - a secret is never in `Debug`, in a warning or in an error; nor is the value of an unknown property, which may be
//!   a misspelled secret

mod alias;
pub mod checks;
mod error;
mod iso_duration;
mod kind;
mod nearest;
mod parse;
mod properties_file;
mod secret;
mod set;
mod table;
#[cfg(test)]
mod tests;

pub use error::{ConfigError, Fault, Findings, Problem};
pub use iso_duration::iso_duration;
pub use set::PropertySet;

/// Who reads a set of properties.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Role {
    /// The client itself: addresses, connections, security.
    Client,
    /// A producer.
    Producer,
    /// A consumer.
    Consumer,
    /// An admin client.
    Admin,
}

impl Role {
    /// The role in lower case, as in `klamm-producer-1`.
    pub fn name(self) -> &'static str {
        match self {
            Role::Client => "client",
            Role::Producer => "producer",
            Role::Consumer => "consumer",
            Role::Admin => "admin",
        }
    }
}
