//! What a user can say about TLS.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::secret::Secret;

/// How connections are encrypted, and by what brokers are known (`ssl.*`); cheap enough to clone.
///
/// TLS 1.3 and 1.2, the authorities that the operating system trusts, the certificate must be for the host
/// that is dialled, and the client shows none of its own: that is [`Tls::new`].
///
/// Files are read when the client connects first, and looked at again for each new connection: new certificates count
/// without a restart. A file that cannot be read then leaves the last good ones in use, with a warning.
///
/// # Examples
/// ```
/// use klamm_net::Tls;
///
/// let tls = Tls::new()
///     .roots_file("/etc/kafka/ca.pem")
///     .identity_files("/etc/kafka/client.pem", "/etc/kafka/client.key")
///     .key_password("secret");
/// ```
#[derive(Clone)]
pub struct Tls {
    pub(super) source: Source,
}

#[derive(Clone)]
pub(super) enum Source {
    Own(Arc<rustls::ClientConfig>),
    Settings(Settings),
}

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) roots: Option<Pem>,
    pub(super) identity: Option<Identity>,
    pub(super) key_password: Option<Secret>,
    pub(super) versions: Vec<TlsVersion>,
    pub(super) check_host_name: bool,
}

/// Where PEM text is.
#[derive(Clone)]
pub(super) enum Pem {
    File(PathBuf),
    Text(Secret),
}

/// The client's certificates and their key, which may be in the same file.
#[derive(Clone)]
pub(super) struct Identity {
    pub(super) chain: Pem,
    pub(super) key: Pem,
}

/// A version of TLS; older ones do not exist here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.2
    Tls12,
    /// TLS 1.3
    Tls13,
}

impl Tls {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            source: Source::Settings(Settings {
                roots: None,
                identity: None,
                key_password: None,
                versions: vec![TlsVersion::Tls13, TlsVersion::Tls12],
                check_host_name: true,
            }),
        }
    }

    /// A configuration of rustls that the application made itself, with its own cryptography, verifier or key store. All
    /// other settings have no effect then.
    pub fn config(config: Arc<rustls::ClientConfig>) -> Self {
        Self {
            source: Source::Own(config),
        }
    }

    /// Trusts the authorities in this PEM file and no others (`ssl.truststore.location`; those of the
    /// operating system).
    #[must_use]
    pub fn roots_file(self, path: impl Into<PathBuf>) -> Self {
        self.set(|settings| settings.roots = Some(Pem::File(path.into())))
    }

    /// As [`Tls::roots_file`], with the PEM text itself (`ssl.truststore.certificates`).
    #[must_use]
    pub fn roots_pem(self, pem: impl Into<String>) -> Self {
        self.set(|settings| settings.roots = Some(Pem::Text(Secret::new(pem))))
    }

    /// Shows brokers the certificate in this PEM file, which holds the chain (own certificate first) and the key
    /// (`ssl.keystore.location`; none).
    #[must_use]
    pub fn identity_file(self, path: impl Into<PathBuf>) -> Self {
        let file = Pem::File(path.into());
        self.identity(file.clone(), file)
    }

    /// As [`Tls::identity_file`], from two files.
    #[must_use]
    pub fn identity_files(self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.identity(Pem::File(chain.into()), Pem::File(key.into()))
    }

    /// As [`Tls::identity_file`], with the PEM texts themselves (`ssl.keystore.certificate.chain`,
    /// `ssl.keystore.key`).
    #[must_use]
    pub fn identity_pem(self, chain: impl Into<String>, key: impl Into<Secret>) -> Self {
        self.identity(Pem::Text(Secret::new(chain)), Pem::Text(key.into()))
    }

    pub(super) fn identity(self, chain: Pem, key: Pem) -> Self {
        self.set(|settings| settings.identity = Some(Identity { chain, key }))
    }

    /// Password of the client's private key (`ssl.key.password`): PKCS#8 encrypted with PBES2 and AES, as `openssl
    /// pkcs8 -topk8` writes it.
    #[must_use]
    pub fn key_password(self, password: impl Into<Secret>) -> Self {
        self.set(|settings| settings.key_password = Some(password.into()))
    }

    /// The versions that may be spoken (`ssl.enabled.protocols`; both). None at all is an error when the client connects.
    #[must_use]
    pub fn versions(self, versions: impl IntoIterator<Item = TlsVersion>) -> Self {
        self.set(|settings| settings.versions = versions.into_iter().collect())
    }

    /// Accepts certificates of trusted authorities for whatever host
    /// (`ssl.endpoint.identification.algorithm=` with nothing behind it): whoever has a
    /// certificate from any of them can pose as a broker.
    #[must_use]
    pub fn dangerously_without_host_name_check(self) -> Self {
        self.set(|settings| settings.check_host_name = false)
    }

    fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        if let Source::Settings(settings) = &mut self.source {
            set(settings);
        }
        self
    }
}

impl Default for Tls {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Tls");
        match &self.source {
            Source::Own(_) => debug.field("config", &"the application's own"),
            Source::Settings(settings) => debug
                .field("roots", &settings.roots)
                .field(
                    "identity",
                    &settings.identity.as_ref().map(|own| &own.chain),
                )
                .field("versions", &settings.versions)
                .field("check_host_name", &settings.check_host_name),
        };
        debug.finish_non_exhaustive()
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.fmt(f),
            Self::Text(_) => f.write_str("PEM text"),
        }
    }
}
