//! Options for TLS and SASL, as properties.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::failure::Failure;

/// A password, where no file is named.
const PASSWORD_VARIABLE: &str = "KLAMM_SASL_PASSWORD";

/// How the connection is protected, beyond what the properties file says.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Security")]
pub(crate) struct SecurityArgs {
    /// Speak TLS; implied by the other options of TLS
    #[arg(long, global = true)]
    tls: bool,
    /// Certificates of who is trusted, PEM [default: the system's]
    #[arg(long, global = true, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// Own certificate with its chain, PEM; brokers that want one say who this is by it
    #[arg(long, global = true, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key of the own certificate, PEM
    #[arg(long, global = true, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Authenticate by this mechanism: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; others are set up by properties
    #[arg(long, global = true, value_name = "MECHANISM", requires = "sasl_user")]
    sasl: Option<String>,
    /// Name of the user
    #[arg(long, global = true, value_name = "NAME", requires = "sasl")]
    sasl_user: Option<String>,
    /// File whose first line is the password [default: the variable `KLAMM_SASL_PASSWORD`]
    #[arg(long, global = true, value_name = "FILE", requires = "sasl")]
    sasl_password_file: Option<PathBuf>,
}

impl SecurityArgs {
    /// As properties that follow `known`: protection is added to what they say, never taken away.
    pub(crate) fn properties(
        &self,
        known: &[(String, String)],
    ) -> Result<Vec<(String, String)>, Failure> {
        let mut properties = Vec::new();
        let mut add = |name: &str, value: String| properties.push((name.to_owned(), value));
        let protocol = known.iter().rfind(|(name, _)| name == "security.protocol");
        let protocol = protocol.map_or("", |(_, protocol)| protocol).to_uppercase();
        let own_tls = self.tls || self.tls_ca.is_some() || self.tls_cert.is_some();
        if own_tls || self.sasl.is_some() {
            let tls = own_tls || protocol.ends_with("SSL");
            let sasl = self.sasl.is_some() || protocol.starts_with("SASL");
            let protocol = match (sasl, tls) {
                (false, _) => "SSL",
                (true, false) => "SASL_PLAINTEXT",
                (true, true) => "SASL_SSL",
            };
            add("security.protocol", protocol.to_owned());
        }
        for (name, file) in [
            ("ssl.ca.location", &self.tls_ca),
            ("ssl.certificate.location", &self.tls_cert),
            ("ssl.key.location", &self.tls_key),
        ] {
            if let Some(file) = file {
                add(name, file.display().to_string());
            }
        }
        if let (Some(mechanism), Some(user)) = (&self.sasl, &self.sasl_user) {
            add("sasl.mechanism", mechanism.to_uppercase());
            add("sasl.username", user.clone());
            add("sasl.password", self.password()?);
        }
        Ok(properties)
    }

    fn password(&self) -> Result<String, Failure> {
        match &self.sasl_password_file {
            Some(file) => first_line(file),
            None => std::env::var(PASSWORD_VARIABLE).map_err(|_| {
                Failure::Usage(format!(
                    "--sasl needs a password: --sasl-password-file, or {PASSWORD_VARIABLE} in the environment"
                ))
            }),
        }
    }
}

/// The first line of a file.
pub(crate) fn first_line(file: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::Usage(format!("cannot read {}: {error}", file.display())))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protocol(args: &SecurityArgs, known: &str) -> Option<String> {
        let known = [("security.protocol".to_owned(), known.to_owned())];
        let properties = args.properties(&known).unwrap();
        let found = properties
            .into_iter()
            .find(|(name, _)| name == "security.protocol");
        found.map(|(_, protocol)| protocol)
    }

    #[test]
    fn protection_is_added_and_never_taken_away() {
        let file = std::env::temp_dir().join(format!("klamm-password-{}", std::process::id()));
        std::fs::write(&file, "wonderland\n").unwrap();
        let none = SecurityArgs::default();
        let tls = SecurityArgs {
            tls_ca: Some(PathBuf::from("ca.pem")),
            ..none.clone()
        };
        let sasl = SecurityArgs {
            sasl: Some("plain".to_owned()),
            sasl_user: Some("alice".to_owned()),
            sasl_password_file: Some(file.clone()),
            ..none.clone()
        };
        for (args, known, expected) in [
            (&none, "SASL_SSL", None),
            (&tls, "", Some("SSL")),
            (&tls, "SASL_PLAINTEXT", Some("SASL_SSL")),
            (&sasl, "PLAINTEXT", Some("SASL_PLAINTEXT")),
            (&sasl, "ssl", Some("SASL_SSL")),
        ] {
            assert_eq!(protocol(args, known).as_deref(), expected, "{known}");
        }
        let properties = sasl.properties(&[]).unwrap();
        assert!(properties.contains(&("sasl.password".to_owned(), "wonderland".to_owned())));
        assert!(properties.contains(&("sasl.mechanism".to_owned(), "PLAIN".to_owned())));
        std::fs::remove_file(file).unwrap();
    }
}
