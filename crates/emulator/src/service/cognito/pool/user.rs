//! A pool's people: signing in, signing up, confirming an address.

use std::collections::BTreeSet;

use super::super::password::{self, PasswordHash};
use super::{Confirmation, Pool, SignInFault, SignUpFault, User, equal};
use crate::clock::Timestamp;
use crate::random;
use crate::vault::VaultError;

/// Tries at a confirmation code before it is void.
const CONFIRMATION_TRIES: u32 = 5;
/// Cognito's codes are good for a day.
const CONFIRMATION_SECONDS: i64 = 24 * 3_600;

impl Pool {
    /// Checks a password. The lock is not held while hashing, so one guess does not stop the rest.
    pub(in super::super) fn sign_in(
        &self,
        email: &str,
        password: &str,
        now: Timestamp,
    ) -> Result<User, SignInFault> {
        let name = email.trim().to_lowercase();
        let user = {
            let state = self.lock();
            if !state.throttle.admits(&name, now) {
                return Err(SignInFault::Locked);
            }
            state.find(&name).cloned()
        };
        let right = match &user {
            Some(user) => user.password.is(password),
            None => {
                password::check_nobody(password);
                false
            }
        };
        let mut state = self.lock();
        match user.filter(|_| right) {
            None => {
                state.throttle.failed(&name, now);
                Err(SignInFault::Wrong)
            }
            Some(user) => {
                state.throttle.succeeded(&name);
                if user.confirmed {
                    Ok(user)
                } else {
                    Err(SignInFault::Unconfirmed)
                }
            }
        }
    }

    /// Makes an unconfirmed user.
    pub(in super::super) fn sign_up(
        &self,
        email: &str,
        nickname: &str,
        password: &str,
        now: Timestamp,
    ) -> Result<Result<User, SignUpFault>, VaultError> {
        let (email, nickname) = (email.trim(), nickname.trim());
        if let Err(fault) = self.check_sign_up(email, nickname, password) {
            return Ok(Err(fault));
        }
        let user = User {
            sub: random::uuid(),
            email: email.to_owned(),
            nickname: nickname.to_owned(),
            password: PasswordHash::new(password),
            confirmed: false,
            groups: BTreeSet::new(),
            created_ms: now.0,
            seed_mark: None,
            confirmation: None,
        };
        let mut state = self.lock();
        if let Some(existing) = state.find(&email.to_lowercase()).cloned() {
            if existing.confirmed {
                return Ok(Err(SignUpFault::Exists));
            }
            // Nobody has shown that the address is theirs: who signs up last may try.
            state.kept.users.remove(&existing.sub);
        }
        state.kept.users.insert(user.sub.clone(), user.clone());
        self.save(&state)?;
        Ok(Ok(user))
    }

    fn check_sign_up(
        &self,
        email: &str,
        nickname: &str,
        password: &str,
    ) -> Result<(), SignUpFault> {
        if !self.seed.self_sign_up {
            return Err(SignUpFault::Closed);
        }
        if !is_email(email) {
            return Err(SignUpFault::Email);
        }
        if nickname.is_empty()
            || nickname.chars().count() > 50
            || nickname.contains(char::is_control)
        {
            return Err(SignUpFault::Nickname);
        }
        password::check(&self.seed.password_policy, password).map_err(SignUpFault::Password)
    }

    /// A new confirmation code for a user; `None` if there is nothing to confirm.
    pub(in super::super) fn new_confirmation(
        &self,
        sub: &str,
        now: Timestamp,
    ) -> Result<Option<(String, String)>, VaultError> {
        let mut state = self.lock();
        let Some(user) = state.kept.users.get_mut(sub).filter(|user| !user.confirmed) else {
            return Ok(None);
        };
        let code = random::text(b"0123456789", 6);
        let expires_ms = now.plus_seconds(CONFIRMATION_SECONDS).0;
        user.confirmation = Some(Confirmation {
            code: code.clone(),
            expires_ms,
            tries: 0,
        });
        let email = user.email.clone();
        self.save(&state)?;
        Ok(Some((email, code)))
    }

    /// Confirms a user by the code sent; a code has few tries.
    pub(in super::super) fn confirm(
        &self,
        sub: &str,
        code: &str,
        now: Timestamp,
    ) -> Result<bool, VaultError> {
        let mut state = self.lock();
        let Some(user) = state.kept.users.get_mut(sub) else {
            return Ok(false);
        };
        let Some(confirmation) = &mut user.confirmation else {
            return Ok(false);
        };
        confirmation.tries += 1;
        let right = confirmation.tries <= CONFIRMATION_TRIES
            && now.0 < confirmation.expires_ms
            && equal(&confirmation.code, code.trim());
        if right {
            user.confirmed = true;
            user.confirmation = None;
        }
        self.save(&state)?;
        Ok(right)
    }
}

/// Good enough to send mail to: something, one `@`, a domain with a dot or a single label.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let plain = |part: &str| {
        !part.is_empty()
            && !part.contains(|c: char| c.is_whitespace() || c.is_control() || "@<>\"".contains(c))
    };
    text.len() <= 254
        && plain(local)
        && plain(domain)
        && !domain.starts_with('.')
        && !domain.ends_with('.')
}
