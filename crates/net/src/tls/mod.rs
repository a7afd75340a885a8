//! TLS: who the broker is, and that nobody listens.
//!
//! Owns: the settings and the making of a `rustls::ClientConfig` from them, the choice of the
//! cryptography (`provider`), PEM files and their reload, the handshake, and what its failures mean.
//! Does not: open sockets; it is laid over whatever stream a connector makes.
//!
//! Invariants
//! - a connection that was to have TLS has it, or there is none: nothing falls back to plain text
//! - the certificate must be for the host that is dialled, unless a method or property that says so in as many words
//!   switched that off
//! - without a root certificate, or without cryptography, nothing is built

#[cfg(feature = "__rustls")]
mod dial;
mod failure;
#[cfg(feature = "__rustls")]
mod files;
#[cfg(feature = "__rustls")]
mod pem;
#[cfg(feature = "__rustls")]
pub(crate) mod provider;
#[cfg(feature = "__rustls")]
mod settings;
#[cfg(feature = "__rustls")]
mod verify;

#[cfg(feature = "__rustls")]
pub(crate) use dial::TlsDialer;
pub use failure::TlsFailure;
#[cfg(feature = "__rustls")]
pub use settings::{Tls, TlsVersion};

#[cfg(all(test, feature = "__rustls"))]
mod tests;
