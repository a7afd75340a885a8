use super::*;
use crate::config::Role;

const PLAIN_LINE: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"alice\" password=\"hunter2\";";
const SCRAM_LINE: &str = "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"alice\" password=\"hunter2\";";

fn read(properties: &[(&str, &str)]) -> Result<Security, ConfigError> {
    let set = PropertySet::parse(Role::Client, properties.iter().copied())?;
    Security::from_properties(&set)
}

fn refused(properties: &[(&str, &str)]) -> String {
    let error = read(properties).expect_err("it is refused");
    let text = format!("{error} {error:?}");
    assert!(!text.contains("hunter2"), "{text}");
    error.to_string()
}

#[test]
fn nothing_set_is_plaintext() {
    let security = read(&[]).unwrap();
    assert!(security.sasl.is_none() && !security.has_tls());
}

#[test]
fn javas_and_librdkafkas_spellings_come_to_the_same() {
    for (mechanism, line) in [
        ("PLAIN", PLAIN_LINE),
        ("SCRAM-SHA-256", SCRAM_LINE),
        ("SCRAM-SHA-512", SCRAM_LINE),
    ] {
        let java = [
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.mechanism", mechanism),
            ("sasl.jaas.config", line),
        ];
        let librdkafka = [
            ("security.protocol", "sasl_plaintext"),
            ("sasl.mechanisms", mechanism),
            ("sasl.username", "alice"),
            ("sasl.password", "hunter2"),
        ];
        for security in [read(&java).unwrap(), read(&librdkafka).unwrap()] {
            let sasl = security.sasl.as_ref().unwrap();
            assert_eq!(sasl.mechanism_name(), mechanism);
            assert!(sasl.may_go_without_tls() && !security.has_tls());
            assert!(!format!("{security:?}").contains("hunter2"));
        }
    }
}

#[test]
fn whatever_is_missing_fails_closed() {
    let protocol = ("security.protocol", "SASL_PLAINTEXT");
    for (properties, words) in [
        (&[protocol][..], "sasl.mechanism: missing"),
        (
            &[protocol, ("sasl.mechanism", "PLAIN")],
            "sasl.jaas.config: missing",
        ),
        (&[protocol, ("sasl.mechanism", "GSSAPI")], "accepted: PLAIN"),
        (
            &[
                protocol,
                ("sasl.mechanism", "PLAIN"),
                ("sasl.username", "alice"),
            ],
            "sasl.jaas.config: missing",
        ),
        (
            &[
                protocol,
                ("sasl.mechanism", "PLAIN"),
                ("sasl.jaas.config", SCRAM_LINE),
            ],
            "another mechanism",
        ),
        (
            &[
                protocol,
                ("sasl.mechanism", "PLAIN"),
                ("sasl.jaas.config", PLAIN_LINE),
                ("sasl.password", "hunter2"),
            ],
            "both are credentials",
        ),
        (
            &[
                protocol,
                ("sasl.mechanism", "SCRAM-SHA-256"),
                (
                    "sasl.jaas.config",
                    "com.sun.security.auth.module.JndiLoginModule required x=\"hunter2\";",
                ),
            ],
            "never loaded",
        ),
    ] {
        let text = refused(properties);
        assert!(text.contains(words), "{text}");
    }
}

#[cfg(feature = "__rustls")]
#[test]
fn tls_is_read_from_files_and_texts() {
    let ssl = ("security.protocol", "SSL");
    let debug =
        |properties: &[(&str, &str)]| format!("{:?}", read(properties).unwrap().tls.unwrap());
    let text = debug(&[
        ssl,
        ("ssl.ca.location", "/ca.pem"),
        ("ssl.certificate.location", "/own.pem"),
        ("ssl.key.location", "/own.key"),
        ("ssl.key.password", "hunter2"),
    ]);
    assert!(
        text.contains("/ca.pem") && text.contains("/own.pem"),
        "{text}"
    );
    assert!(
        text.contains("check_host_name: true") && !text.contains("hunter2"),
        "{text}"
    );
    for off in ["", "none"] {
        let text = debug(&[ssl, ("ssl.endpoint.identification.algorithm", off)]);
        assert!(text.contains("check_host_name: false"), "{text}");
    }
    let text = debug(&[ssl, ("ssl.enabled.protocols", "TLSv1.3")]);
    assert!(text.contains("[Tls13]"), "{text}");
    let text = debug(&[
        ssl,
        ("ssl.keystore.certificate.chain", "hunter2"),
        ("ssl.keystore.key", "hunter2"),
    ]);
    assert!(
        text.contains("PEM text") && !text.contains("hunter2"),
        "{text}"
    );
}

#[test]
fn tokens_need_a_provider_or_an_endpoint_that_is_https() {
    let sasl = [
        ("security.protocol", "SASL_PLAINTEXT"),
        ("sasl.mechanism", "OAUTHBEARER"),
    ];
    let text = refused(&sasl);
    assert!(text.contains("Sasl::oauth_bearer"), "{text}");
    #[cfg(feature = "oauth")]
    {
        let line = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required clientId=\"a\" \
                    clientSecret=\"hunter2\" scope=\"kafka\" extension_logicalCluster=\"lkc-1\";";
        let url = |url| {
            [
                &sasl[..],
                &[
                    ("sasl.oauthbearer.token.endpoint.url", url),
                    ("sasl.jaas.config", line),
                ],
            ]
            .concat()
        };
        let security = read(&url("https://id.example.com/token")).unwrap();
        assert_eq!(security.sasl.unwrap().mechanism_name(), "OAUTHBEARER");
        for bad in ["http://id.example.com/token", "file:///etc/passwd"] {
            let text = refused(&url(bad));
            assert!(text.contains("must begin with https://"), "{text}");
        }
        let text = refused(&url("https://id.example.com/token")[..3]);
        assert!(text.contains("client.secret: missing"), "{text}");
    }
}

#[cfg(feature = "__rustls")]
#[test]
fn half_an_identity_or_two_are_refused() {
    let ssl = ("security.protocol", "SASL_SSL");
    let text = refused(&[
        ssl,
        ("ssl.keystore.certificate.chain", "hunter2"),
        ("ssl.truststore.location", "/a"),
        ("ssl.truststore.certificates", "hunter2"),
    ]);
    for words in [
        "ssl.keystore.key: missing",
        "ssl.truststore.location",
        "sasl.mechanism: missing",
    ] {
        assert!(text.contains(words), "{text}");
    }
    let text = refused(&[("security.protocol", "SSL"), ("ssl.keystore.type", "JKS")]);
    assert!(text.contains("openssl"), "{text}");
    let text = refused(&[
        ("security.protocol", "SSL"),
        ("ssl.truststore.password", "hunter2"),
    ]);
    assert!(text.contains("openssl"), "{text}");
}
