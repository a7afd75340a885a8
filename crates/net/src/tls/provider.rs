//! Which cryptography TLS uses. All of that choice is here: rustls 0.24 will move providers to crates of their own.
//!
//! A feature that was asked for by name wins over the default: `tls-aws-lc`, then `tls-ring`, then graviola (`tls`).

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

use crate::error::Error;

#[cfg(all(
    feature = "tls",
    not(any(feature = "tls-ring", feature = "tls-aws-lc")),
    not(any(target_arch = "x86_64", target_arch = "aarch64"))
))]
compile_error!(
    "klamm's feature `tls` has cryptography for x86-64 and AArch64 only; \
     use default-features = false with `tls-ring` or `tls-aws-lc` (or `tls-custom` and a rustls::ClientConfig of your own)"
);

/// The cryptography of this build.
#[cfg_attr(
    any(feature = "tls-ring", feature = "tls-aws-lc"),
    allow(
        clippy::unnecessary_wraps,
        reason = "only graviola asks for more than any CPU has"
    )
)]
pub(crate) fn provider() -> Result<Arc<CryptoProvider>, Error> {
    #[cfg(feature = "tls-aws-lc")]
    return Ok(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    #[cfg(all(feature = "tls-ring", not(feature = "tls-aws-lc")))]
    return Ok(Arc::new(rustls::crypto::ring::default_provider()));
    #[cfg(all(
        feature = "tls",
        not(any(feature = "tls-ring", feature = "tls-aws-lc"))
    ))]
    return graviola::provider();
    #[cfg(not(any(feature = "tls", feature = "tls-ring", feature = "tls-aws-lc")))]
    return Err(Error::Security {
        reason: "klamm was built with tls-custom, without cryptography: bring a rustls::ClientConfig (Tls::config), \
                 or build with tls, tls-ring or tls-aws-lc"
            .to_owned(),
    });
}

#[cfg(all(
    feature = "tls",
    not(any(feature = "tls-ring", feature = "tls-aws-lc"))
))]
mod graviola {
    use std::sync::Arc;

    use rustls::crypto::CryptoProvider;

    use crate::error::Error;

    pub(super) fn provider() -> Result<Arc<CryptoProvider>, Error> {
        check(&cpu_features())?;
        Ok(Arc::new(rustls_graviola::default_provider()))
    }

    /// Graviola has no other way than these instructions and ends the process without them: it is asked before.
    fn check(features: &[(&str, bool)]) -> Result<(), Error> {
        let missing: Vec<_> = features
            .iter()
            .filter(|(_, is_there)| !is_there)
            .map(|(name, _)| *name)
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::Security {
            reason: format!(
                "this CPU (or virtual machine) lacks {}, which klamm's default TLS needs; \
                 build with the feature `tls-ring` (or `tls-aws-lc`) instead of `tls`",
                missing.join(", ")
            ),
        })
    }

    #[cfg(target_arch = "x86_64")]
    fn cpu_features() -> [(&'static str, bool); 6] {
        [
            ("adx", is_x86_feature_detected!("adx")),
            ("aes", is_x86_feature_detected!("aes")),
            ("avx", is_x86_feature_detected!("avx")),
            ("avx2", is_x86_feature_detected!("avx2")),
            ("bmi1", is_x86_feature_detected!("bmi1")),
            ("pclmulqdq", is_x86_feature_detected!("pclmulqdq")),
        ]
    }

    #[cfg(target_arch = "aarch64")]
    fn cpu_features() -> [(&'static str, bool); 4] {
        use std::arch::is_aarch64_feature_detected;
        [
            ("neon", is_aarch64_feature_detected!("neon")),
            ("aes", is_aarch64_feature_detected!("aes")),
            ("pmull", is_aarch64_feature_detected!("pmull")),
            ("sha2", is_aarch64_feature_detected!("sha2")),
        ]
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_cpu_that_lacks_something_is_told_what_and_what_to_do() {
            check(&[("adx", true), ("aes", true)]).unwrap();
            let features = [("adx", false), ("aes", true), ("avx2", false)];
            let text = check(&features).unwrap_err().to_string();
            assert!(text.contains("lacks adx, avx2"), "{text}");
            assert!(text.contains("tls-ring"), "{text}");
        }
    }
}
