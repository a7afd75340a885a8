//! Which properties hold secrets, and how anything a user wrote is shown in messages.

/// What stands for a secret wherever settings are printed.
pub(super) const HIDDEN: &str = "[hidden]";

const SHOWN_CHARS_MAX: usize = 100;

/// Whether the value of this property must never be shown. Goes by the name alone, so that it also holds for aliases.
///
/// Certificates are public, but Java's clients hide them and keys are pasted beside them by mistake.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".password", ".pem", ".secret", ".passphrase"]
        .iter()
        .any(|end| name.ends_with(end))
        || matches!(
            name.as_str(),
            "ssl.keystore.key"
                | "ssl.keystore.certificate.chain"
                | "ssl.truststore.certificates"
                | "sasl.jaas.config"
                | "sasl.username"
                | "sasl.oauthbearer.config"
        )
}

/// Text of the user on one line and of bounded length.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(SHOWN_CHARS_MAX)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}
