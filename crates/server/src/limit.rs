//! May this caller ask again already?
//!
//! A token bucket for each caller, all in one bounded table. When the table is
//! full, callers whose bucket has refilled are forgotten: they lose nothing.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Requests a caller may make at once after a pause.
pub const BURST: f64 = 100.0;
/// Requests a second a caller may go on with.
pub const RATE: f64 = 40.0;
const MOST_CALLERS: usize = 20_000;

struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn refilled(&self, now: Instant) -> f64 {
        let seconds = now.saturating_duration_since(self.at).as_secs_f64();
        seconds.mul_add(RATE, self.tokens).min(BURST)
    }
}

/// The buckets of all callers seen of late.
#[derive(Default)]
pub struct Limiter {
    buckets: Mutex<HashMap<String, Bucket>>,
}

impl Limiter {
    /// Takes one token from `caller`'s bucket.
    ///
    /// # Errors
    /// There is none; says how long it takes until there is.
    pub fn take(&self, caller: &str, now: Instant) -> Result<(), Duration> {
        let mut buckets = self
            .buckets
            .lock()
            .expect("no panic while the lock is held");
        if let Some(bucket) = buckets.get_mut(caller) {
            let tokens = bucket.refilled(now);
            if tokens < 1.0 {
                return Err(Duration::from_secs_f64((1.0 - tokens) / RATE));
            }
            *bucket = Bucket {
                tokens: tokens - 1.0,
                at: now,
            };
            return Ok(());
        }
        if buckets.len() >= MOST_CALLERS {
            buckets.retain(|_, bucket| bucket.refilled(now) < BURST);
        }
        // still full of busy callers: serve the stranger, remember them later
        if buckets.len() < MOST_CALLERS {
            buckets.insert(
                caller.to_owned(),
                Bucket {
                    tokens: BURST - 1.0,
                    at: now,
                },
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_a_steady_rate_and_nobody_pays_for_another() {
        let limiter = Limiter::default();
        let start = Instant::now();
        let granted = (0..500)
            .filter(|_| limiter.take("a", start).is_ok())
            .count();
        assert_eq!(granted, 100);
        let wait = limiter.take("a", start).expect_err("empty");
        assert!(wait <= Duration::from_millis(25), "{wait:?}");
        limiter.take("b", start).expect("their own bucket");
        let later = start + Duration::from_secs(1);
        assert_eq!(
            (0..500)
                .filter(|_| limiter.take("a", later).is_ok())
                .count(),
            40
        );
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_idle_first() {
        let limiter = Limiter::default();
        let start = Instant::now();
        for caller in 0..MOST_CALLERS {
            limiter
                .take(&caller.to_string(), start)
                .expect("first request");
        }
        let busy = start + Duration::from_secs(10);
        while limiter.take("7", busy).is_ok() {}
        limiter.take("new", busy).expect("makes room");
        assert!(limiter.buckets.lock().expect("unpoisoned").len() <= 2);
        limiter
            .take("7", busy)
            .expect_err("the busy one is still known");
    }
}
