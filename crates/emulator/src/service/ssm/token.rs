//! The tokens that open a channel: random, kept only as a digest, good once and for a minute.

use aws_lc_rs::{constant_time, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::clock::Timestamp;
use crate::random;

/// A token not used by then is worthless.
pub(crate) const LIFETIME_S: i64 = 60;
/// Tokens of one session or instance that may be unused at once; a further one voids the oldest.
const MOST_UNUSED: usize = 8;

/// Tokens given out for one channel and not used yet.
#[derive(Default)]
pub(crate) struct Tokens(Vec<Token>);

struct Token {
    digest: digest::Digest,
    expires: Timestamp,
    holder: Holder,
}

/// Whom a token was given to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// The person, by ARN.
    Client(String),
    /// The instance's agent.
    Agent,
}

impl Tokens {
    /// A new token; the text is not kept.
    pub(crate) fn issue(&mut self, holder: Holder, now: Timestamp) -> String {
        self.0.retain(|token| token.expires > now);
        if self.0.len() >= MOST_UNUSED {
            self.0.remove(0);
        }
        let text = URL_SAFE_NO_PAD.encode(random::bytes::<32>());
        self.0.push(Token {
            digest: digest_of(&text),
            expires: now.plus_seconds(LIFETIME_S),
            holder,
        });
        text
    }

    /// Uses a token up; whom it was given to, if it is one of these and not too old.
    pub(crate) fn redeem(&mut self, text: &str, now: Timestamp) -> Option<Holder> {
        self.0.retain(|token| token.expires > now);
        let digest = digest_of(text);
        let equal = |token: &Token| {
            constant_time::verify_slices_are_equal(token.digest.as_ref(), digest.as_ref()).is_ok()
        };
        let at = self.0.iter().position(equal)?;
        Some(self.0.remove(at).holder)
    }
}

fn digest_of(text: &str) -> digest::Digest {
    digest::digest(&digest::SHA256, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_once_and_for_a_minute() {
        let mut tokens = Tokens::default();
        let now = Timestamp(1_000);
        let first = tokens.issue(Holder::Agent, now);
        let second = tokens.issue(Holder::Client("arn".into()), now);
        assert_eq!(first.len(), 43, "256 bits");
        assert_eq!(tokens.redeem("", now), None);
        assert_eq!(tokens.redeem(&first, now), Some(Holder::Agent));
        assert_eq!(tokens.redeem(&first, now), None, "used up");
        assert_eq!(tokens.redeem(&second, now.plus_seconds(LIFETIME_S)), None);
    }

    #[test]
    fn unused_tokens_are_bounded() {
        let mut tokens = Tokens::default();
        let first = tokens.issue(Holder::Agent, Timestamp(0));
        for _ in 0..MOST_UNUSED {
            tokens.issue(Holder::Agent, Timestamp(0));
        }
        assert_eq!(tokens.0.len(), MOST_UNUSED);
        assert_eq!(tokens.redeem(&first, Timestamp(0)), None);
    }
}
