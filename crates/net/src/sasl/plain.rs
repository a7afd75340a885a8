//! PLAIN (RFC 4616): user name and password, as they are.

use super::mechanism::{
    AuthenticationFailure, SaslError, SaslFuture, SaslMechanism, SaslMessage, SaslPeer,
    SaslSession, SaslStep,
};
use crate::secret::Secret;

#[derive(Clone)]
pub(super) struct Plain {
    username: Secret,
    password: Secret,
}

impl Plain {
    pub(super) const fn new(username: Secret, password: Secret) -> Self {
        Self { username, password }
    }

    fn message(&self) -> Result<SaslMessage, SaslError> {
        let (username, password) = (self.username.expose(), self.password.expose());
        if username.is_empty() || username.contains('\0') || password.contains('\0') {
            return Err(SaslError::new(
                AuthenticationFailure::NoCredentials,
                "the user name is empty, or it or the password holds a zero byte, which PLAIN cannot send",
            ));
        }
        let mut message = SaslMessage::new(Vec::with_capacity(username.len() + password.len() + 2));
        message.push(0);
        message.extend_from_slice(username.as_bytes());
        message.push(0);
        message.extend_from_slice(password.as_bytes());
        Ok(message)
    }
}

impl SaslMechanism for Plain {
    fn name(&self) -> &'static str {
        "PLAIN"
    }

    fn start<'a>(&'a self, _: &'a SaslPeer) -> SaslFuture<'a, Box<dyn SaslSession>> {
        Box::pin(async {
            let session = Session {
                message: Some(self.message()?),
            };
            Ok(Box::new(session) as Box<dyn SaslSession>)
        })
    }

    fn secrets(&self) -> Vec<&Secret> {
        vec![&self.password]
    }
}

struct Session {
    message: Option<SaslMessage>,
}

impl SaslSession for Session {
    fn step<'a>(&'a mut self, _: &'a [u8]) -> SaslFuture<'a, SaslStep> {
        let step = self.message.take().map_or(SaslStep::Done, SaslStep::Send);
        Box::pin(std::future::ready(Ok(step)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_user_and_password_behind_zero_bytes() {
        let plain = Plain::new("alice".into(), "pässword".into());
        assert_eq!(*plain.message().unwrap(), "\0alice\0pässword".as_bytes());
    }

    #[test]
    fn a_zero_byte_cannot_smuggle_another_user_in() {
        for (username, password) in [("a\0b", "c"), ("a", "b\0c"), ("", "c")] {
            let plain = Plain::new(username.into(), password.into());
            let error = plain.message().unwrap_err();
            assert_eq!(error.failure(), AuthenticationFailure::NoCredentials);
        }
    }
}
