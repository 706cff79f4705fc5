//! How long an acknowledgement may take.
//!
//! The estimator and its first values are those of both official ends; Karn's
//! rule (no samples that may belong to another sending), back-off and a higher
//! upper bound are ours.

use std::time::Duration;

const FIRST_ESTIMATE: Duration = Duration::from_millis(100);
const SMALLEST_MARGIN: Duration = Duration::from_millis(10);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(10);

/// A smoothed round-trip time and its deviation.
#[derive(Debug, Clone, Copy)]
pub(super) struct RoundTrip {
    smoothed: Duration,
    deviation: Duration,
    latest: Duration,
}

impl RoundTrip {
    pub(super) fn new() -> Self {
        Self {
            smoothed: FIRST_ESTIMATE,
            deviation: FIRST_ESTIMATE / 4,
            latest: Duration::ZERO,
        }
    }

    /// Takes in the time between a sending and its acknowledgement.
    pub(super) fn sample(&mut self, sample: Duration) {
        self.deviation = (3 * self.deviation + self.smoothed.abs_diff(sample)) / 4;
        self.smoothed = (7 * self.smoothed + sample) / 8;
        self.latest = sample;
    }

    /// How long to wait for any acknowledgement, after so many probes in vain.
    pub(super) fn timeout(&self, probes: u32) -> Duration {
        let margin = (4 * self.deviation).max(SMALLEST_MARGIN);
        let factor = 1 << probes.min(10);
        (self.smoothed + margin)
            .saturating_mul(factor)
            .min(LONGEST_TIMEOUT)
    }

    /// How long a message may come after one that was sent later.
    pub(super) fn reordering(&self) -> Duration {
        self.smoothed + self.deviation.max(SMALLEST_MARGIN)
    }

    /// An acknowledgement sooner than this is of an earlier sending.
    pub(super) fn shortest_plausible(&self) -> Duration {
        self.latest / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_samples_within_bounds() {
        let mut rtt = RoundTrip::new();
        assert_eq!(rtt.timeout(0), Duration::from_millis(200));
        for _ in 0..200 {
            rtt.sample(Duration::from_millis(1));
        }
        assert!(rtt.timeout(0) < Duration::from_millis(13), "{rtt:?}");
        assert_eq!(rtt.timeout(2), 4 * rtt.timeout(0));
        for _ in 0..200 {
            rtt.sample(Duration::from_secs(99));
        }
        assert_eq!(rtt.timeout(0), LONGEST_TIMEOUT);
        assert_eq!(rtt.timeout(u32::MAX), LONGEST_TIMEOUT);
    }
}
