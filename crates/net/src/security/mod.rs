//! What protects the connections of a client: TLS, SASL, both or neither.
//!
//! It is one answer for a client, never one for a broker: whatever addresses brokers advertise, each connection is as
//! protected as the first. Nothing is tried without protection after it failed with it.

mod jaas;
mod properties;

use std::time::Duration;

use crate::client_config::HostPort;
use crate::connection::{Renewal, Setup};
use crate::connector::BoxedStream;
use crate::error::Error;
use crate::sasl::exchange::{self, SaslChannel as _};
use crate::sasl::{Sasl, SaslPeer};
#[cfg(feature = "__rustls")]
use crate::tls::{Tls, TlsDialer};

/// What protects connections (`security.protocol`): neither is `PLAINTEXT`, TLS alone `SSL`, SASL alone
/// `SASL_PLAINTEXT`, both `SASL_SSL`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Security {
    /// Encrypts, and shows who the broker is.
    #[cfg(feature = "__rustls")]
    pub tls: Option<Tls>,
    /// Shows the broker who the client is.
    pub sasl: Option<Sasl>,
}

impl Security {
    #[cfg(feature = "__rustls")]
    fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    #[cfg(not(feature = "__rustls"))]
    #[expect(clippy::unused_self, reason = "as where TLS is built in")]
    fn has_tls(&self) -> bool {
        false
    }

    /// A password goes in clear only if the user has said so.
    fn check(&self) -> Result<(), Error> {
        let Some(sasl) = &self.sasl else {
            return Ok(());
        };
        if self.has_tls() || sasl.may_go_without_tls() {
            return Ok(());
        }
        Err(Error::Security {
            reason: format!(
                "{} shows its credentials to whoever listens, so it needs TLS (security.protocol=SASL_SSL); \
                 Sasl::dangerously_without_tls allows it without",
                sasl.mechanism_name()
            ),
        })
    }
}

/// A client's [`Security`], ready to be laid over its connections.
pub(crate) struct SecurityLayer {
    #[cfg(feature = "__rustls")]
    tls: Option<TlsDialer>,
    sasl: Option<Sasl>,
}

impl SecurityLayer {
    /// Reads what the settings name.
    pub(crate) async fn new(security: Security) -> Result<Self, Error> {
        security.check()?;
        // Files and the certificates of the operating system: not on a thread that others need.
        let read = tokio::task::spawn_blocking(move || Self::read(&security));
        read.await.unwrap_or(Err(Error::Closed))
    }

    #[cfg_attr(
        not(feature = "__rustls"),
        expect(
            clippy::unnecessary_wraps,
            reason = "TLS has files, and is not built in"
        )
    )]
    fn read(security: &Security) -> Result<Self, Error> {
        Ok(Self {
            #[cfg(feature = "__rustls")]
            tls: security.tls.as_ref().map(TlsDialer::new).transpose()?,
            sasl: security.sasl.clone(),
        })
    }

    #[cfg(feature = "__rustls")]
    pub(crate) fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    #[cfg(not(feature = "__rustls"))]
    #[expect(clippy::unused_self, reason = "as where TLS is built in")]
    pub(crate) fn has_tls(&self) -> bool {
        false
    }

    /// TLS over `stream`, if this client has TLS.
    #[cfg_attr(
        not(feature = "__rustls"),
        expect(clippy::unused_async, reason = "TLS is not built in")
    )]
    pub(crate) async fn encrypt(
        &self,
        stream: BoxedStream,
        address: &HostPort,
        broker: &str,
    ) -> Result<BoxedStream, Error> {
        #[cfg(feature = "__rustls")]
        if let Some(tls) = &self.tls {
            return Ok(Box::new(tls.connect(stream, &address.host, broker).await?));
        }
        let _ = (address, broker);
        Ok(stream)
    }

    /// Shows the broker who the client is, if it is to; returns how to do that again, if it has to.
    pub(crate) async fn authenticate(
        &self,
        setup: &mut Setup,
        address: &HostPort,
        timeout: Duration,
    ) -> Result<Option<Renewal>, Error> {
        let Some(sasl) = &self.sasl else {
            return Ok(None);
        };
        let peer = SaslPeer {
            host: address.host.clone(),
            port: address.port,
        };
        let prepared = exchange::prepare(sasl, &peer, setup.broker()).await?;
        let lifetime = exchange::authenticate(setup, sasl, prepared).await?;
        tracing::debug!(
            broker = setup.broker(),
            mechanism = sasl.mechanism_name(),
            ?lifetime,
            "authenticated"
        );
        Ok(lifetime.map(|lifetime| Renewal {
            sasl: sasl.clone(),
            peer,
            lifetime,
            timeout,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_goes_in_clear_only_with_those_words() {
        let mut security = Security {
            sasl: Some(Sasl::plain("alice", "hunter2")),
            ..Security::default()
        };
        let text = security.check().unwrap_err().to_string();
        assert!(
            text.contains("PLAIN") && !text.contains("hunter2"),
            "{text}"
        );
        security.sasl = Some(Sasl::plain("a", "b").dangerously_without_tls());
        security.check().unwrap();
        security.sasl = Some(Sasl::scram_sha_256("a", "b"));
        security.check().unwrap();
        #[cfg(feature = "__rustls")]
        {
            security.sasl = Some(Sasl::plain("a", "b"));
            security.tls = Some(Tls::new());
            security.check().unwrap();
        }
    }
}
