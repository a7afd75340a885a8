//! The client's side of a SCRAM conversation, without I/O, clock and random source.
//!
//! Call [`first_message`](Client::first_message), [`handle_server_first`](Client::handle_server_first),
//! [`final_message`](Client::final_message), [`handle_server_final`](Client::handle_server_final), in this order.
//!
//! Invariants
//! - the broker's nonce starts with ours and is longer (CVE-2024-56128)
//! - salt not empty, iterations within the limits (CVE-2026-10143), no extension that must be understood (`m=`)
//! - without the broker's signature, right and compared in constant time (CVE-2021-38153), nothing succeeds

use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::crypto::{Algorithm, Keys};
use crate::sasl::mechanism::{AuthenticationFailure, SaslError, SaslMessage};
use crate::secret::Secret;

/// No channel binding (Kafka has none), no other identity to act as.
const GS2_HEADER: &str = "n,,";
const SALT_BYTES_MAX: usize = 1024;

pub(super) struct Client {
    algorithm: Algorithm,
    iterations: RangeInclusive<u32>,
    nonce: String,
    /// The first message without its header.
    first_bare: Zeroizing<String>,
    /// What the broker sent first, as it is part of what is signed.
    server_first: Zeroizing<String>,
    /// The signature that the broker must show.
    signature: Zeroizing<Vec<u8>>,
}

/// What the broker said first.
#[derive(Debug)]
pub(super) struct ServerFirst {
    nonce: String,
    pub(super) salt: Vec<u8>,
    pub(super) iterations: u32,
}

impl Client {
    pub(super) fn new(
        algorithm: Algorithm,
        username: Secret,
        nonce: &str,
        token: bool,
        iterations: RangeInclusive<u32>,
    ) -> Self {
        let name = Zeroizing::new(username.expose().replace('=', "=3D").replace(',', "=2C"));
        drop(username);
        let extension = if token { ",tokenauth=true" } else { "" };
        Self {
            algorithm,
            iterations,
            nonce: nonce.to_owned(),
            first_bare: Zeroizing::new(format!("n={},r={nonce}{extension}", *name)),
            server_first: Zeroizing::default(),
            signature: Zeroizing::default(),
        }
    }

    pub(super) fn first_message(&self) -> SaslMessage {
        message(&[GS2_HEADER, &self.first_bare])
    }

    pub(super) fn handle_server_first(
        &mut self,
        challenge: &[u8],
    ) -> Result<ServerFirst, SaslError> {
        let text = text(challenge)?;
        let mut attributes = text.split(',');
        let mut next = |name: &str| {
            let attribute = attributes.next().unwrap_or_default();
            if attribute.starts_with("m=") {
                return Err(bad("the broker demands a SCRAM extension (m=)"));
            }
            attribute
                .strip_prefix(name)
                .ok_or_else(|| bad(format!("the broker's first SCRAM message lacks {name}")))
        };
        let (nonce, salt, iterations) = (next("r=")?, next("s=")?, next("i=")?);
        // Optional extensions may follow; a demanded one is refused wherever it stands.
        if attributes.any(|extension| extension.starts_with("m=")) {
            return Err(bad("the broker demands a SCRAM extension (m=)"));
        }

        let starts_with_ours: bool = nonce
            .as_bytes()
            .get(..self.nonce.len())
            .is_some_and(|start| start.ct_eq(self.nonce.as_bytes()).into());
        if !starts_with_ours || nonce.len() == self.nonce.len() {
            return Err(SaslError::new(
                AuthenticationFailure::BrokerNotGenuine,
                "the broker's SCRAM nonce does not continue the client's",
            ));
        }
        let salt = STANDARD
            .decode(salt)
            .ok()
            .filter(|salt| !salt.is_empty() && salt.len() <= SALT_BYTES_MAX)
            .ok_or_else(|| bad("the broker's SCRAM salt is empty, too long or not base64"))?;
        let iterations = iterations
            .parse()
            .ok()
            .filter(|iterations| self.iterations.contains(iterations))
            .ok_or_else(|| {
                let (least, most) = (self.iterations.start(), self.iterations.end());
                bad(format!(
                    "the broker's number of SCRAM iterations is not within {least} to {most}"
                ))
            })?;
        let server_first = ServerFirst {
            nonce: nonce.to_owned(),
            salt,
            iterations,
        };
        self.server_first = Zeroizing::new(text.to_owned());
        Ok(server_first)
    }

    pub(super) fn final_message(&mut self, server_first: &ServerFirst, keys: &Keys) -> SaslMessage {
        let binding = STANDARD.encode(GS2_HEADER);
        let without_proof = format!("c={binding},r={}", server_first.nonce);
        let signed = Zeroizing::new(format!(
            "{},{},{without_proof}",
            *self.first_bare, *self.server_first
        ));
        let signed = signed.as_bytes();
        let stored_key = self.algorithm.hash(&keys.client);
        let mut proof = self.algorithm.hmac(&stored_key, signed);
        for (byte, key) in proof.iter_mut().zip(keys.client.iter()) {
            *byte ^= key;
        }
        self.signature = self.algorithm.hmac(&keys.server, signed);
        let proof = Zeroizing::new(STANDARD.encode(&*proof));
        message(&[&without_proof, ",p=", &proof])
    }

    pub(super) fn handle_server_final(&self, challenge: &[u8]) -> Result<(), SaslError> {
        let text = text(challenge)?;
        if let Some(reason) = text.strip_prefix("e=") {
            // Words of RFC 5802 such as `invalid-proof`; whatever else a peer writes is not shown.
            let known: String = reason
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '-')
                .take(40)
                .collect();
            let reason = format!("the broker ended the SCRAM conversation: {known}");
            return Err(SaslError::new(AuthenticationFailure::Rejected, reason));
        }
        let signature = text
            .split(',')
            .next()
            .and_then(|first| first.strip_prefix("v="))
            .and_then(|signature| STANDARD.decode(signature).ok());
        let genuine = !self.signature.is_empty()
            && signature.is_some_and(|signature| signature.ct_eq(&self.signature).into());
        if genuine {
            return Ok(());
        }
        Err(SaslError::new(
            AuthenticationFailure::BrokerNotGenuine,
            "the broker's SCRAM signature is missing or wrong, so it does not know the password; it may be an impostor",
        ))
    }
}

fn message(pieces: &[&str]) -> SaslMessage {
    // Of its final size from the start, so that no copy is left behind by growing.
    let mut message = SaslMessage::new(Vec::with_capacity(pieces.iter().map(|p| p.len()).sum()));
    for piece in pieces {
        message.extend_from_slice(piece.as_bytes());
    }
    message
}

fn text(challenge: &[u8]) -> Result<&str, SaslError> {
    std::str::from_utf8(challenge).map_err(|_| bad("the broker's SCRAM message is not text"))
}

fn bad(reason: impl Into<String>) -> SaslError {
    SaslError::new(AuthenticationFailure::BadChallenge, reason)
}

#[cfg(test)]
mod tests;
