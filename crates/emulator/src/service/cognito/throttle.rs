//! How often may a password be guessed? Cognito's lockout: after five failures a user is locked for
//! a second, and each further failure doubles that, up to about fifteen minutes ("Lockout behavior
//! for failed sign-in attempts"). Fifteen quiet minutes forgive everything.

use std::collections::BTreeMap;

use crate::clock::Timestamp;

const FREE_FAILURES: u32 = 5;
const LONGEST_LOCK_SECONDS: i64 = 900;
const FORGIVEN_AFTER_SECONDS: i64 = 900;
/// Names watched at once; beyond, those that failed longest ago are forgotten.
const WATCHED_LIMIT: usize = 10_000;

/// Failures by user name.
#[derive(Default)]
pub(super) struct Throttle {
    failures: BTreeMap<String, Failures>,
}

struct Failures {
    count: u32,
    last: Timestamp,
}

impl Throttle {
    /// Whether a sign-in may be tried now.
    pub(super) fn admits(&self, name: &str, now: Timestamp) -> bool {
        self.failures
            .get(name)
            .is_none_or(|failures| now.0 >= failures.last.plus_seconds(failures.lock_seconds()).0)
    }

    /// Notes a failed sign-in.
    pub(super) fn failed(&mut self, name: &str, now: Timestamp) {
        if self.failures.len() >= WATCHED_LIMIT && !self.failures.contains_key(name) {
            self.make_room(now);
        }
        let failures = self.failures.entry(name.to_owned()).or_insert(Failures {
            count: 0,
            last: now,
        });
        if now.0 >= failures.last.plus_seconds(FORGIVEN_AFTER_SECONDS).0 {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
    }

    /// A good sign-in forgives the bad ones before.
    pub(super) fn succeeded(&mut self, name: &str) {
        self.failures.remove(name);
    }

    fn make_room(&mut self, now: Timestamp) {
        let kept_since = now.plus_seconds(-FORGIVEN_AFTER_SECONDS);
        self.failures
            .retain(|_, failures| failures.last > kept_since);
        if self.failures.len() >= WATCHED_LIMIT {
            let oldest = self
                .failures
                .iter()
                .min_by_key(|(_, failures)| failures.last);
            if let Some(name) = oldest.map(|(name, _)| name.clone()) {
                self.failures.remove(&name);
            }
        }
    }
}

impl Failures {
    fn lock_seconds(&self) -> i64 {
        match self.count.checked_sub(FREE_FAILURES) {
            None => 0,
            Some(over) => (1_i64 << over.min(20)).min(LONGEST_LOCK_SECONDS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_doubles_and_is_forgiven() {
        let mut throttle = Throttle::default();
        let mut now = Timestamp(0);
        for _ in 0..4 {
            throttle.failed("a", now);
            assert!(throttle.admits("a", now));
        }
        for lock in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900] {
            throttle.failed("a", now);
            assert!(!throttle.admits("a", now.plus_seconds(lock - 1)), "{lock}");
            now = now.plus_seconds(lock);
            assert!(throttle.admits("a", now), "{lock}");
        }
        assert!(throttle.admits("b", now));
        throttle.failed("a", now.plus_seconds(900));
        assert!(throttle.admits("a", now.plus_seconds(900)), "counted anew");
    }

    #[test]
    fn names_are_bounded() {
        let mut throttle = Throttle::default();
        for n in 0..WATCHED_LIMIT + 10 {
            throttle.failed(&n.to_string(), Timestamp(i64::try_from(n).unwrap()));
        }
        assert_eq!(throttle.failures.len(), WATCHED_LIMIT);
        assert!(!throttle.failures.contains_key("0"));
    }
}
