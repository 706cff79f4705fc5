//! Passwords: how they are kept, and which are good enough.
//!
//! PBKDF2-HMAC-SHA256 with 600,000 rounds and a salt each (OWASP Password Storage Cheat Sheet). The
//! number of rounds is kept with the hash, so it can rise.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2::{self, PBKDF2_HMAC_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::random;
use crate::seed::PasswordPolicy;

const ROUNDS: NonZeroU32 = NonZeroU32::new(600_000).expect("600,000 is not zero");
/// Cognito's longest password.
const LONGEST: usize = 256;

/// A password as kept. Not `Debug`: even a hash is nobody's business.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct PasswordHash {
    rounds: u32,
    salt: String,
    hash: String,
}

impl PasswordHash {
    /// Hashes a new password.
    pub(super) fn new(password: &str) -> Self {
        let salt: [u8; 16] = random::bytes();
        let mut hash = [0; 32];
        pbkdf2::derive(
            PBKDF2_HMAC_SHA256,
            ROUNDS,
            &salt,
            password.as_bytes(),
            &mut hash,
        );
        Self {
            rounds: ROUNDS.get(),
            salt: STANDARD.encode(salt),
            hash: STANDARD.encode(hash),
        }
    }

    /// Whether this is the password; takes as long either way.
    pub(super) fn is(&self, password: &str) -> bool {
        let Some(rounds) = NonZeroU32::new(self.rounds) else {
            return false;
        };
        let (Ok(salt), Ok(hash)) = (STANDARD.decode(&self.salt), STANDARD.decode(&self.hash))
        else {
            return false;
        };
        if password.len() > LONGEST {
            return false;
        }
        pbkdf2::verify(
            PBKDF2_HMAC_SHA256,
            rounds,
            &salt,
            password.as_bytes(),
            &hash,
        )
        .is_ok()
    }
}

/// Does the work of a check for a user who does not exist, so that time does not tell.
pub(super) fn check_nobody(password: &str) {
    let mut hash = [0; 32];
    let password = &password.as_bytes()[..password.len().min(LONGEST)];
    pbkdf2::derive(PBKDF2_HMAC_SHA256, ROUNDS, b"nobody", password, &mut hash);
}

/// Where a password falls short of the pool's policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PasswordFault {
    #[error("Password not long enough")]
    TooShort,
    #[error("Password is too long")]
    TooLong,
    #[error("Password must have lowercase characters")]
    Lowercase,
    #[error("Password must have uppercase characters")]
    Uppercase,
    #[error("Password must have numeric characters")]
    Number,
    #[error("Password must have symbol characters")]
    Symbol,
}

/// Weighs a password against the policy.
pub(super) fn check(policy: &PasswordPolicy, password: &str) -> Result<(), PasswordFault> {
    let has = |kind: fn(char) -> bool| password.chars().any(kind);
    let faults = [
        (
            password.chars().count() < policy.minimum_length,
            PasswordFault::TooShort,
        ),
        (password.len() > LONGEST, PasswordFault::TooLong),
        (
            policy.require_lowercase && !has(|c| c.is_ascii_lowercase()),
            PasswordFault::Lowercase,
        ),
        (
            policy.require_uppercase && !has(|c| c.is_ascii_uppercase()),
            PasswordFault::Uppercase,
        ),
        (
            policy.require_numbers && !has(|c| c.is_ascii_digit()),
            PasswordFault::Number,
        ),
        (
            policy.require_symbols && !has(|c| c.is_ascii_punctuation()),
            PasswordFault::Symbol,
        ),
    ];
    faults
        .into_iter()
        .find(|(found, _)| *found)
        .map_or(Ok(()), |(_, fault)| Err(fault))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_itself_is_accepted() {
        let hash = PasswordHash::new("Correct-Horse7");
        assert!(hash.is("Correct-Horse7"));
        assert!(!hash.is("correct-horse7"));
        assert!(!hash.is(""));
    }

    #[test]
    fn the_policy_names_what_lacks() {
        let policy = PasswordPolicy::default();
        let fault = |password: &str| check(&policy, password).err();
        assert_eq!(fault("Ab1!"), Some(PasswordFault::TooShort));
        assert_eq!(fault("ABCDEF1!"), Some(PasswordFault::Lowercase));
        assert_eq!(fault("abcdef1!"), Some(PasswordFault::Uppercase));
        assert_eq!(fault("Abcdefg!"), Some(PasswordFault::Number));
        assert_eq!(fault("Abcdefg1"), Some(PasswordFault::Symbol));
        assert_eq!(fault("Abcdef1!"), None);
    }
}
