//! A password as the server keeps it.
//!
//! The server takes a SCRAM-SHA-256 verifier in place of a password, so that
//! the password itself is in no statement, and so in no log.
//! RFC 5802 section 3, RFC 7677; the form is that of `pg_authid.rolpassword`.

use std::num::NonZeroU32;

use aws_lc_rs::{digest, hmac, pbkdf2, rand};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// PostgreSQL's own default (`scram_iterations`).
const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).expect("it is not zero");

/// Why a password cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// RDS takes printable ASCII without `/`, `'`, `"`, `@` and blanks, 8 to
    /// 128 of it; what it generates is within that.
    #[error("the password is not 8 to 128 printable ASCII characters")]
    Form,
    /// No randomness to be had.
    #[error("the system gives no random numbers")]
    Random,
}

/// The verifier of `password` with a fresh salt.
pub(super) fn verifier(password: &str) -> Result<String, PasswordError> {
    let mut salt = [0; 16];
    rand::fill(&mut salt).map_err(|_| PasswordError::Random)?;
    verifier_with(password, &salt)
}

fn verifier_with(password: &str, salt: &[u8]) -> Result<String, PasswordError> {
    // on this alphabet SASLprep (RFC 4013) changes nothing
    if !(8..=128).contains(&password.len()) || !password.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(PasswordError::Form);
    }
    let mut salted = [0; 32];
    let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
    pbkdf2::derive(
        algorithm,
        ITERATIONS,
        salt,
        password.as_bytes(),
        &mut salted,
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
    let client = hmac::sign(&key, b"Client Key");
    let stored = digest::digest(&digest::SHA256, client.as_ref());
    let server = hmac::sign(&key, b"Server Key");
    let text = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
    Ok(format!(
        "SCRAM-SHA-256${ITERATIONS}:{}${}:{}",
        text(salt),
        text(stored.as_ref()),
        text(server.as_ref())
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn salts_differ_and_the_password_does_not_show() {
        let (one, other) = (
            verifier("correct-horse").unwrap(),
            verifier("correct-horse").unwrap(),
        );
        assert_ne!(one, other);
        assert!(!one.contains("horse"));
        assert!(one.starts_with("SCRAM-SHA-256$4096:"));
    }

    #[test]
    fn only_what_rds_takes() {
        for bad in [
            "short",
            "with blank inside",
            "한글한글한글한글",
            "tab\tinside!",
        ] {
            assert_eq!(verifier(bad), Err(PasswordError::Form), "{bad:?}");
        }
    }
}
