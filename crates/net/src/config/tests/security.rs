//! No protocol is taken for another, and no secret gets out.

use super::super::{Role, table};
use super::{is_not_implemented, only_problem, parse, warnings};

#[test]
fn a_protocol_is_the_one_that_was_written() {
    for protocol in ["SSL", "SASL_SSL", "sasl_plaintext", "Plaintext"] {
        let set = parse(Role::Client, &[("security.protocol", protocol)]).unwrap();
        let read = set.str("security.protocol").unwrap();
        assert_eq!(read, protocol.to_ascii_uppercase());
    }
    for protocol in ["", "TLS", "SSL,PLAINTEXT", "SASL"] {
        only_problem(Role::Client, &[("security.protocol", protocol)]);
    }
}

#[test]
fn stores_that_are_not_pem_are_refused_with_the_way_to_convert_them() {
    for (name, value) in [
        ("ssl.truststore.type", "JKS"),
        ("ssl.keystore.type", "PKCS12"),
        ("ssl.truststore.password", "changeit"),
        ("ssl.keystore.password", "changeit"),
    ] {
        let problem = only_problem(Role::Client, &[(name, value)]);
        assert!(is_not_implemented(&problem), "{problem}");
        assert!(problem.to_string().contains("openssl pkcs12"), "{problem}");
    }
}

#[test]
fn tls_settings_without_tls_are_a_warning_about_the_protocol() {
    let warnings = warnings(
        Role::Client,
        &[("ssl.endpoint.identification.algorithm", "https")],
    );
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].contains("security.protocol = PLAINTEXT"),
        "{warnings:?}"
    );
}

#[test]
fn secrets_are_never_printed() {
    const SECRET: &str = "hunter2";
    let names = [
        "ssl.truststore.password",
        "ssl.keystore.password",
        "ssl.key.password",
        "ssl.keystore.key",
        "ssl.key.pem",
        "ssl.ca.pem",
        "ssl.certificate.pem",
        "ssl.truststore.certificates",
        "ssl.keystore.certificate.chain",
        "sasl.jaas.config",
        "sasl.username",
        "sasl.password",
        "sasl.oauthbearer.config",
        "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.client.credentials.client.secret",
        "sasl.oauthbearer.assertion.private.key.pem",
        "sasl.oauthbearer.assertion.private.key.passphrase",
        // Misspelled ones too.
        "sasl.pasword",
        "SASL.JAAS.CONFIG",
        "my.secret",
    ];
    for name in names {
        let shown = match parse(Role::Client, &[(name, SECRET)]) {
            Ok(set) => format!("{set:?} {:?}", set.warnings()),
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(!shown.contains(SECRET), "{name}: {shown}");
    }
    // Whatever is implemented, the set itself may hold them.
    let mut set = parse(Role::Client, &[("client.id", "shown")]).unwrap();
    for row in table::all().filter(|row| names.contains(&row.name)) {
        set.values.insert(row.name, row.kind.read(SECRET).unwrap());
    }
    let debug = format!("{set:?} {set:#?}");
    assert!(
        !debug.contains(SECRET) && debug.contains("shown") && debug.contains("[hidden]"),
        "{debug}"
    );
}

#[test]
fn what_a_user_wrote_is_shown_on_one_line_and_shortened() {
    let value = "a\nb\u{1b}[31m".repeat(1000);
    let text = only_problem(Role::Producer, &[("acks", &value)]).to_string();
    assert!(
        !text.contains(['\n', '\u{1b}']) && text.len() < 1000,
        "{text}"
    );
}
