//! The hashes of SCRAM, for one algorithm or the other.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};
use zeroize::Zeroizing;

/// The hash that a SCRAM mechanism uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sasl) enum Algorithm {
    Sha256,
    Sha512,
}

impl Algorithm {
    pub(super) const fn mechanism(self) -> &'static str {
        match self {
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }

    pub(super) fn hash(self, data: &[u8]) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            Self::Sha256 => Sha256::digest(data).to_vec(),
            Self::Sha512 => Sha512::digest(data).to_vec(),
        })
    }

    pub(super) fn hmac(self, key: &[u8], data: &[u8]) -> Zeroizing<Vec<u8>> {
        fn of<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Vec<u8> {
            let mut mac =
                <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
            mac.update(data);
            mac.finalize().into_bytes().to_vec()
        }
        Zeroizing::new(match self {
            Self::Sha256 => of::<Hmac<Sha256>>(key, data),
            Self::Sha512 => of::<Hmac<Sha512>>(key, data),
        })
    }

    /// `Hi` of RFC 5802, which is PBKDF2 with HMAC.
    pub(super) fn salted_password(
        self,
        password: &str,
        salt: &[u8],
        iterations: u32,
    ) -> Zeroizing<Vec<u8>> {
        let password = password.as_bytes();
        match self {
            Self::Sha256 => {
                let mut key = Zeroizing::new(vec![0; 32]);
                pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut key);
                key
            }
            Self::Sha512 => {
                let mut key = Zeroizing::new(vec![0; 64]);
                pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, iterations, &mut key);
                key
            }
        }
    }
}

/// What a password comes to with one salt and one number of iterations.
pub(super) struct Keys {
    pub(super) client: Zeroizing<Vec<u8>>,
    pub(super) server: Zeroizing<Vec<u8>>,
}

impl Keys {
    pub(super) fn derive(
        algorithm: Algorithm,
        password: &str,
        salt: &[u8],
        iterations: u32,
    ) -> Self {
        let salted = algorithm.salted_password(password, salt, iterations);
        Self {
            client: algorithm.hmac(&salted, b"Client Key"),
            server: algorithm.hmac(&salted, b"Server Key"),
        }
    }
}
