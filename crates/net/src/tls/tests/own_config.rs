//! What an application configures itself: klamm uses it as it is.

use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber};
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::CertificateRevocationListDer;

use super::*;

fn roots(authority: &Authority) -> Arc<rustls::RootCertStore> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    Arc::new(roots)
}

#[tokio::test]
async fn an_own_configuration_is_used_as_it_is() {
    let authority = authority("ours");
    let config = rustls::ClientConfig::builder_with_provider(provider().unwrap())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots(&authority))
        .with_no_client_auth();
    let broker = Broker::new(issue(&authority, &[HOST], |_| ()));
    meet(&Tls::config(Arc::new(config)), &broker).await.unwrap();
}

/// The list of `authority`, on which the certificate with this number stands.
fn revocation_list(authority: &Authority, revoked: &[u8]) -> CertificateRevocationListDer<'static> {
    let revoked = RevokedCertParams {
        serial_number: SerialNumber::from_slice(revoked),
        revocation_time: date_time_ymd(2026, 1, 1),
        reason_code: None,
        invalidity_date: None,
    };
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(2026, 1, 1),
        next_update: date_time_ymd(2090, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: vec![revoked],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(authority).unwrap().der().clone()
}

/// As docs/security.md has it.
#[tokio::test]
async fn revocation_lists_come_in_an_own_configuration() {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        rcgen::KeyUsagePurpose::KeyCertSign,
        rcgen::KeyUsagePurpose::CrlSign,
    ];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let provider = provider().unwrap();
    let verifier =
        WebPkiServerVerifier::builder_with_provider(roots(&authority), Arc::clone(&provider))
            .with_crls([revocation_list(&authority, &[7])])
            .build()
            .unwrap();
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    let tls = Tls::config(Arc::new(config));
    let numbered = |number: u8| {
        let numbered = |params: &mut CertificateParams| {
            params.serial_number = Some(SerialNumber::from_slice(&[number]));
        };
        Broker::new(issue(&authority, &[HOST], numbered))
    };
    meet(&tls, &numbered(6)).await.unwrap();
    let (kind, text) = failure(&tls, &numbered(7)).await;
    assert_eq!(kind, TlsFailure::CertificateRevoked, "{text}");
}
