//! Session tokens of IMDSv2, kept nowhere: a token proves itself.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::OffsetDateTime;

/// Six hours.
pub(super) const MAX_TTL_S: u32 = 21_600;

/// Issues tokens and knows its own.
pub(super) struct Tokens(hmac::Key);

impl Tokens {
    pub(super) fn new() -> Self {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .expect("the system's random source does not fail");
        Self(key)
    }

    /// A token that is good for one instance, for so long.
    pub(super) fn issue(&self, instance_id: &str, ttl_s: u32, now: OffsetDateTime) -> String {
        let until = now.unix_timestamp() + i64::from(ttl_s);
        let mut token = until.to_be_bytes().to_vec();
        token.extend_from_slice(hmac::sign(&self.0, &signed(instance_id, until)).as_ref());
        URL_SAFE_NO_PAD.encode(token)
    }

    pub(super) fn is_good(&self, token: &[u8], instance_id: &str, now: OffsetDateTime) -> bool {
        let Ok(token) = URL_SAFE_NO_PAD.decode(token) else {
            return false;
        };
        let Some((until, tag)) = token.split_first_chunk() else {
            return false;
        };
        let until = i64::from_be_bytes(*until);
        let ours = hmac::verify(&self.0, &signed(instance_id, until), tag).is_ok();
        ours && now.unix_timestamp() < until
    }
}

fn signed(instance_id: &str, until: i64) -> Vec<u8> {
    let mut message = until.to_be_bytes().to_vec();
    message.extend_from_slice(instance_id.as_bytes());
    message
}
