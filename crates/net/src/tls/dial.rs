//! TLS over a stream.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

use super::failure::{TlsFailure, explain};
use super::files::Contents;
use super::settings::{Settings, Source, Tls};
use crate::connector::ByteStream;
use crate::error::Error;

/// Lays TLS over the connections of a client.
pub(crate) struct TlsDialer {
    config: Mutex<Arc<rustls::ClientConfig>>,
    /// What to read again, and what it held; `None` if the application brought its own configuration.
    files: Option<(Settings, Arc<Mutex<Contents>>)>,
    has_certificate: bool,
}

impl TlsDialer {
    /// Reads all files; it blocks for as long as that takes.
    ///
    /// # Errors
    /// [`Error::Security`] for what cannot be read or used.
    pub(crate) fn new(tls: &Tls) -> Result<Self, Error> {
        match &tls.source {
            Source::Own(config) => Ok(Self {
                has_certificate: config.client_auth_cert_resolver.has_certs(),
                config: Mutex::new(Arc::clone(config)),
                files: None,
            }),
            Source::Settings(settings) => {
                let contents = Contents::read(settings)?;
                let config = contents.build(settings)?;
                if !settings.check_host_name {
                    tracing::warn!(
                        "the host names of brokers are not checked: whoever has a certificate from a trusted authority can pose as one"
                    );
                }
                Ok(Self {
                    has_certificate: settings.identity.is_some(),
                    config: Mutex::new(Arc::new(config)),
                    files: Some((settings.clone(), Arc::new(Mutex::new(contents)))),
                })
            }
        }
    }

    /// TLS with the broker at `host` over `stream`.
    ///
    /// # Errors
    /// [`Error::Tls`].
    pub(crate) async fn connect<S: ByteStream>(
        &self,
        stream: S,
        host: &str,
        broker: &str,
    ) -> Result<TlsByteStream<S>, Error> {
        let failed = |(failure, reason)| Error::Tls {
            broker: broker.to_owned(),
            failure,
            reason,
        };
        // A zone (`fe80::1%eth0`) is this host's matter, certificates know nothing of it.
        let name = host.split_once('%').map_or(host, |(address, _)| address);
        let name = ServerName::try_from(name.to_owned()).map_err(|_| {
            let reason = format!("{host} is no name that a certificate can be for");
            failed((TlsFailure::WrongHostName, reason))
        })?;
        let connector = tokio_rustls::TlsConnector::from(self.current().await);
        let stream = connector.connect(name, stream).await.map_err(|error| {
            match explain(&error, self.has_certificate, true) {
                Some(explained) => failed(explained),
                None => Error::connect(broker, error),
            }
        })?;
        Ok(TlsByteStream {
            stream,
            broker: broker.to_owned(),
            has_certificate: self.has_certificate,
        })
    }

    /// The configuration to use: a new one if the files have changed.
    async fn current(&self) -> Arc<rustls::ClientConfig> {
        let lock = || self.config.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((settings, contents)) = &self.files else {
            return Arc::clone(&lock());
        };
        let (settings, contents) = (settings.clone(), Arc::clone(contents));
        // Files may be on a network: not on a thread that others need.
        let reloaded = tokio::task::spawn_blocking(move || reload(&settings, &contents)).await;
        match reloaded {
            Ok(Ok(Some(config))) => {
                tracing::info!("TLS files have changed and were read again");
                *lock() = Arc::new(config);
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "TLS files have changed, but cannot be used: the last good ones stay in use");
            }
            Ok(Ok(None)) | Err(_) => {}
        }
        Arc::clone(&lock())
    }
}

fn reload(
    settings: &Settings,
    contents: &Mutex<Contents>,
) -> Result<Option<rustls::ClientConfig>, Error> {
    let read = Contents::read(settings)?;
    let mut contents = contents.lock().unwrap_or_else(PoisonError::into_inner);
    if read == *contents {
        return Ok(None);
    }
    let config = read.build(settings)?;
    *contents = read;
    Ok(Some(config))
}

/// A stream whose errors say what TLS has to say: an error of the peer's can come long after the handshake, in TLS 1.3
/// even that about the client's certificate.
pub(crate) struct TlsByteStream<S> {
    stream: TlsStream<S>,
    broker: String,
    has_certificate: bool,
}

impl<S> TlsByteStream<S> {
    fn explained(&self, error: io::Error) -> io::Error {
        match explain(&error, self.has_certificate, false) {
            Some((failure, reason)) => {
                let told = Error::Tls {
                    broker: self.broker.clone(),
                    failure,
                    reason,
                };
                io::Error::new(error.kind(), told)
            }
            None => error,
        }
    }

    fn explain_poll<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        polled.map(|result| result.map_err(|error| self.explained(error)))
    }
}

impl<S: ByteStream> AsyncRead for TlsByteStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.explain_poll(polled)
    }
}

impl<S: ByteStream> AsyncWrite for TlsByteStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.explain_poll(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.explain_poll(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        self.explain_poll(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.explain_poll(polled)
    }
}
