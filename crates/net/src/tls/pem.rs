//! Certificates and keys from PEM, and what to do with anything else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::secret::Secret;

/// All certificates in `pem`, in order; at least one. Keys beside them do not disturb.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("its PEM is damaged ({error})"))?;
    if found.is_empty() {
        return Err(format!(
            "it holds no certificate in PEM{}",
            other_format(pem)
        ));
    }
    Ok(found)
}

/// The private key in `pem`: PKCS#8, PKCS#1 or SEC1, or PKCS#8 encrypted with `password`.
pub(super) fn private_key(
    pem: &[u8],
    password: Option<&Secret>,
) -> Result<PrivateKeyDer<'static>, String> {
    const LEGACY: &[u8] = b"Proc-Type: 4,ENCRYPTED";
    if pem.windows(LEGACY.len()).any(|window| window == LEGACY) {
        return Err(format!(
            "its private key is encrypted in OpenSSL's old way, which is unsafe and not supported; {CONVERT_KEY}"
        ));
    }
    if let Some(encrypted) = encrypted_key(pem)? {
        let Some(password) = password else {
            return Err(
                "its private key is encrypted; set its password (ssl.key.password)".to_owned(),
            );
        };
        return decrypt(&encrypted, password);
    }
    match PrivateKeyDer::from_pem_slice(pem) {
        Ok(key) => Ok(key),
        Err(rustls::pki_types::pem::Error::NoItemsFound) => Err(format!(
            "it holds no private key in PEM{}",
            other_format(pem)
        )),
        Err(error) => Err(format!("the PEM of its private key is damaged ({error})")),
    }
}

const CONVERT_KEY: &str =
    "convert the key: openssl pkcs8 -topk8 -v2 aes-256-cbc -in KEY.pem -out NEW.pem";
const ENCRYPTED_BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
const ENCRYPTED_END: &str = "-----END ENCRYPTED PRIVATE KEY-----";

/// The bytes of an encrypted PKCS#8 key, if there is one.
fn encrypted_key(pem: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let text = String::from_utf8_lossy(pem);
    let Some((_, rest)) = text.split_once(ENCRYPTED_BEGIN) else {
        return Ok(None);
    };
    let damaged = || "the PEM of its encrypted private key is damaged".to_owned();
    let (body, _) = rest.split_once(ENCRYPTED_END).ok_or_else(damaged)?;
    let body: String = body.split_whitespace().collect();
    STANDARD.decode(body).map(Some).map_err(|_| damaged())
}

fn decrypt(encrypted: &[u8], password: &Secret) -> Result<PrivateKeyDer<'static>, String> {
    let unsupported = || {
        format!(
            "its private key is encrypted with an algorithm that is not supported (PBES2 with AES is); {CONVERT_KEY}"
        )
    };
    let info = EncryptedPrivateKeyInfoRef::try_from(encrypted).map_err(|_| unsupported())?;
    if info.encryption_algorithm.pbes2().is_none() {
        return Err(unsupported());
    }
    let key = info.decrypt(password.expose()).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(pkcs8::pkcs5::Error::UnsupportedAlgorithm { .. }) => unsupported(),
        _ => "its private key cannot be decrypted: the password (ssl.key.password) is wrong, or the key damaged".to_owned(),
    })?;
    Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into())
}

/// What a file is instead of PEM, and how to make PEM of it.
fn other_format(bytes: &[u8]) -> String {
    match bytes {
        [0xfe, 0xed, 0xfe, 0xed, ..] => format!("; it is a JKS store, {CONVERT_JKS}"),
        [0xce, 0xce, 0xce, 0xce, ..] => format!("; it is a JCEKS store, {CONVERT_JKS}"),
        [0x30, 0x80..=0x84, ..] => format!("; it is a PKCS#12 store or DER, {CONVERT_PKCS12}"),
        _ => String::new(),
    }
}

/// How to make PEM of a JKS store.
pub(crate) const CONVERT_JKS: &str = "convert it: keytool -importkeystore -srckeystore STORE.jks -destkeystore STORE.p12 \
     -deststoretype PKCS12, then openssl pkcs12 -in STORE.p12 -nodes -out STORE.pem";
/// How to make PEM of a PKCS#12 store.
pub(crate) const CONVERT_PKCS12: &str =
    "convert it: openssl pkcs12 -in STORE.p12 -nodes -out STORE.pem";
