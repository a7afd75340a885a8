//! From settings to a `rustls::ClientConfig`, and again when the files have changed.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use zeroize::Zeroizing;

use super::pem;
use super::provider::provider;
use super::settings::{Identity, Pem, Settings, TlsVersion};
use super::verify::AnyHostName;
use crate::error::Error;

/// What the files held when they were last read.
#[derive(PartialEq)]
pub(super) struct Contents {
    roots: Option<Zeroizing<Vec<u8>>>,
    chain: Option<Zeroizing<Vec<u8>>>,
    key: Option<Zeroizing<Vec<u8>>>,
}

impl Contents {
    /// Reads what the settings name. They are small, so comparing what they hold is cheap and
    /// misses nothing, whatever a file system does with times.
    pub(super) fn read(settings: &Settings) -> Result<Self, Error> {
        let identity = settings.identity.as_ref();
        Ok(Self {
            roots: settings.roots.as_ref().map(read).transpose()?,
            chain: identity.map(|own| read(&own.chain)).transpose()?,
            key: identity.map(|own| read(&own.key)).transpose()?,
        })
    }

    pub(super) fn build(&self, settings: &Settings) -> Result<rustls::ClientConfig, Error> {
        let provider = provider()?;
        let versions: Vec<_> = settings
            .versions
            .iter()
            .map(|version| match version {
                TlsVersion::Tls12 => &rustls::version::TLS12,
                TlsVersion::Tls13 => &rustls::version::TLS13,
            })
            .collect();
        let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions)
            .map_err(|error| unusable("ssl.enabled.protocols", &error))?;
        let roots = Arc::new(self.roots(settings)?);
        // The name of this method is rustls'; one of the two verifiers is its own.
        let builder = builder
            .dangerous()
            .with_custom_certificate_verifier(verifier(settings, roots, provider)?);
        let (Some(identity), Some(chain), Some(key)) = (&settings.identity, &self.chain, &self.key)
        else {
            return Ok(builder.with_no_client_auth());
        };
        let Identity {
            chain: chain_place,
            key: key_place,
        } = identity;
        let chain = pem::certificates(chain).map_err(|error| within(chain_place, &error))?;
        let key = pem::private_key(key, settings.key_password.as_ref())
            .map_err(|error| within(key_place, &error))?;
        builder
            .with_client_auth_cert(chain, key)
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => within(
                    key_place,
                    &"its private key does not belong to the certificate; the client's own certificate must come first in the chain",
                ),
                error => within(key_place, &error),
            })
    }

    fn roots(&self, settings: &Settings) -> Result<RootCertStore, Error> {
        let mut roots = RootCertStore::empty();
        if let (Some(place), Some(pem)) = (&settings.roots, &self.roots) {
            for certificate in pem::certificates(pem).map_err(|error| within(place, &error))? {
                let added = roots.add(certificate);
                added.map_err(|error| {
                    within(place, &format!("it holds an unusable certificate: {error}"))
                })?;
            }
            return Ok(roots);
        }
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
        if roots.is_empty() {
            let first = system.errors.first();
            let first = first.map_or_else(String::new, |error| format!(" ({error})"));
            return Err(Error::Security {
                reason: format!(
                    "the operating system has no trusted certificates{first}; \
                     set those of the cluster (ssl.truststore.location, or Tls::roots_file)"
                ),
            });
        }
        Ok(roots)
    }
}

fn verifier(
    settings: &Settings,
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    if !settings.check_host_name {
        return Ok(Arc::new(AnyHostName { roots, provider }));
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
    Ok(verifier.map_err(|error| unusable("the trusted certificates", &error))?)
}

fn read(place: &Pem) -> Result<Zeroizing<Vec<u8>>, Error> {
    match place {
        Pem::File(path) => std::fs::read(path).map(Zeroizing::new).map_err(|error| {
            let path = path.display();
            Error::Security {
                reason: format!("cannot read {path}: {error}"),
            }
        }),
        Pem::Text(text) => Ok(Zeroizing::new(text.expose().as_bytes().to_vec())),
    }
}

fn within(place: &Pem, error: &impl ToString) -> Error {
    let place = match place {
        Pem::File(path) => path.display().to_string(),
        Pem::Text(_) => "the PEM text".to_owned(),
    };
    Error::Security {
        reason: format!("{place}: {}", error.to_string()),
    }
}

fn unusable(what: &str, error: &impl ToString) -> Error {
    Error::Security {
        reason: format!("{what} cannot be used: {}", error.to_string()),
    }
}
