//! What went wrong between the two ends of a TLS connection, in words that help.

#[cfg(feature = "__rustls")]
use std::io;
#[cfg(feature = "__rustls")]
use std::time::Duration;

#[cfg(feature = "__rustls")]
use rustls::{AlertDescription, CertificateError};

/// Why there is no TLS connection, for those who decide by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsFailure {
    /// The broker's certificate, or one that it rests on, has expired.
    CertificateExpired,
    /// The broker's certificate, or one that it rests on, is not valid yet; or the clock here is wrong.
    CertificateNotYetValid,
    /// The broker's certificate is not for the host that was dialled.
    WrongHostName,
    /// No certificate that is trusted here stands behind the broker's.
    UnknownAuthority,
    /// The broker's certificate was revoked.
    CertificateRevoked,
    /// The broker's certificate cannot be used for another reason.
    CertificateInvalid,
    /// The broker wants a certificate of the client, and none is set.
    ClientCertificateRequired,
    /// The broker does not accept the certificate of the client.
    ClientCertificateRejected,
    /// The peer does not speak TLS: most likely it is a plaintext listener.
    NotTls,
    /// There is no version or cipher suite that both sides have.
    NothingInCommon,
    /// The peer broke the TLS protocol, or ended the connection in it.
    Protocol,
}

impl TlsFailure {
    /// Whether it may go away by itself: only what can also be a broker that just goes down.
    pub(crate) const fn is_retriable(self) -> bool {
        matches!(self, Self::NotTls | Self::Protocol)
    }
}

/// What an error of a TLS stream says, if it comes from TLS. `handshake`: whether the stream is not up yet.
#[cfg(feature = "__rustls")]
pub(super) fn explain(
    error: &io::Error,
    has_certificate: bool,
    handshake: bool,
) -> Option<(TlsFailure, String)> {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(inner) = inner else {
        let ended = matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
        );
        return (handshake && ended).then(|| {
            let text = "it closed the connection instead of answering the TLS handshake; is this a plaintext listener \
                 (security.protocol=PLAINTEXT or SASL_PLAINTEXT), or a broker that is going down?";
            (TlsFailure::NotTls, text.to_owned())
        });
    };
    Some(match inner {
        rustls::Error::InvalidCertificate(error) => certificate(error),
        rustls::Error::NoCertificatesPresented => (
            TlsFailure::CertificateInvalid,
            "the broker shows no certificate".to_owned(),
        ),
        rustls::Error::AlertReceived(alert) => alerted(*alert, has_certificate),
        rustls::Error::PeerIncompatible(what) => (
            TlsFailure::NothingInCommon,
            format!("the broker and klamm have no TLS version or cipher suite in common ({what:?}); klamm has TLS 1.2 and 1.3"),
        ),
        rustls::Error::InvalidMessage(_) if handshake => (
            TlsFailure::NotTls,
            "its answer is not TLS; is this a plaintext listener (security.protocol=PLAINTEXT or SASL_PLAINTEXT)?"
                .to_owned(),
        ),
        other => (TlsFailure::Protocol, format!("TLS failed: {other}")),
    })
}

#[cfg(feature = "__rustls")]
fn certificate(error: &CertificateError) -> (TlsFailure, String) {
    use CertificateError as E;
    match error {
        E::Expired => (
            TlsFailure::CertificateExpired,
            "the broker's certificate has expired".to_owned(),
        ),
        E::ExpiredContext { time, not_after } => {
            let ago = time.as_secs().saturating_sub(not_after.as_secs());
            let text = format!("the broker's certificate has expired {} ago", span(ago));
            (TlsFailure::CertificateExpired, text)
        }
        E::NotValidYet => (
            TlsFailure::CertificateNotYetValid,
            "the broker's certificate is not valid yet; is the clock right here?".to_owned(),
        ),
        E::NotValidYetContext { time, not_before } => {
            let ahead = not_before.as_secs().saturating_sub(time.as_secs());
            let text = format!(
                "the broker's certificate becomes valid in {}; is the clock right here?",
                span(ahead)
            );
            (TlsFailure::CertificateNotYetValid, text)
        }
        E::NotValidForName => (
            TlsFailure::WrongHostName,
            "the broker's certificate is for another host".to_owned(),
        ),
        E::NotValidForNameContext {
            expected,
            presented,
        } => (
            TlsFailure::WrongHostName,
            format!(
                "the broker's certificate is not for {} but for {}; only its subject alternative names count, not its common name",
                expected.to_str(),
                names(presented)
            ),
        ),
        E::UnknownIssuer => (
            TlsFailure::UnknownAuthority,
            "no trusted certificate stands behind the broker's; set its authority (ssl.truststore.location, or Tls::roots_file)"
                .to_owned(),
        ),
        E::BadSignature => (
            TlsFailure::UnknownAuthority,
            "the broker's certificate is signed by another authority that has the name of a trusted one, or a key is too \
             weak to prove anything (RSA keys need 2048 bits)"
                .to_owned(),
        ),
        E::Revoked => (
            TlsFailure::CertificateRevoked,
            "the broker's certificate was revoked".to_owned(),
        ),
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => (
            TlsFailure::CertificateInvalid,
            "the broker's certificate is not meant for servers (extended key usage)".to_owned(),
        ),
        E::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => (
            TlsFailure::CertificateInvalid,
            "the broker shows the certificate of an authority (CA:TRUE) as its own, which is not accepted even if it is \
             trusted; give the broker a certificate of its own"
                .to_owned(),
        ),
        other => (
            TlsFailure::CertificateInvalid,
            format!("the broker's certificate cannot be used: {other}"),
        ),
    }
}

#[cfg(feature = "__rustls")]
fn alerted(alert: AlertDescription, has_certificate: bool) -> (TlsFailure, String) {
    use AlertDescription as A;
    match alert {
        A::ProtocolVersion | A::HandshakeFailure | A::InsufficientSecurity => (
            TlsFailure::NothingInCommon,
            format!(
                "the broker refused the handshake ({alert:?}): no TLS version or cipher suite in common"
            ),
        ),
        A::CertificateRequired
        | A::BadCertificate
        | A::UnsupportedCertificate
        | A::CertificateRevoked
        | A::CertificateExpired
        | A::CertificateUnknown
        | A::UnknownCA
        | A::AccessDenied
        | A::DecryptError => {
            if has_certificate && alert != A::CertificateRequired {
                let text =
                    format!("the broker does not accept this client's certificate ({alert:?})");
                (TlsFailure::ClientCertificateRejected, text)
            } else {
                (
                    TlsFailure::ClientCertificateRequired,
                    format!(
                        "the broker wants a client certificate ({alert:?}); set one (ssl.keystore.*, or Tls::identity_file)"
                    ),
                )
            }
        }
        other => (
            TlsFailure::Protocol,
            format!("the broker ended the TLS connection ({other:?})"),
        ),
    }
}

#[cfg(feature = "__rustls")]
fn names(presented: &[String]) -> String {
    const SHOWN_MAX: usize = 10;
    let shown = presented.iter().take(SHOWN_MAX).map(|name| {
        // rustls writes `DnsName("kafka.test")`.
        let inner = name
            .split_once('(')
            .and_then(|(_, inner)| inner.strip_suffix(')'));
        inner.unwrap_or(name).trim_matches('"')
    });
    let shown = crate::secret::peer_text(&shown.collect::<Vec<_>>().join(", "), &[]);
    match presented.len() {
        0 => "nothing".to_owned(),
        count if count > SHOWN_MAX => format!("{shown} and {} more", count - SHOWN_MAX),
        _ => shown,
    }
}

/// A time that a person can read: `3 days`, `2 hours`.
#[cfg(feature = "__rustls")]
fn span(seconds: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(86_400, "days"), (3600, "hours"), (60, "minutes")];
    for (unit, name) in UNITS {
        if seconds >= 2 * unit {
            return format!("{} {name}", seconds / unit);
        }
    }
    format!("{:?}", Duration::from_secs(seconds))
}
