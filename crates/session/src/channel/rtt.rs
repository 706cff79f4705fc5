//! How long an acknowledgement may take before its message is sent again.
//!
//! Constants are those of both official ends; Karn's rule (no samples from
//! repeated messages) and back-off are ours.

use std::time::Duration;

const FIRST_ESTIMATE: Duration = Duration::from_millis(100);
const SMALLEST_MARGIN: Duration = Duration::from_millis(10);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(1);
const LONGEST_BACKED_OFF: Duration = Duration::from_secs(8);

/// A smoothed round-trip time and its deviation.
#[derive(Debug, Clone, Copy)]
pub(super) struct RoundTrip {
    smoothed: Duration,
    deviation: Duration,
    timeout: Duration,
}

impl RoundTrip {
    pub(super) fn new() -> Self {
        Self {
            smoothed: FIRST_ESTIMATE,
            deviation: Duration::ZERO,
            timeout: 2 * FIRST_ESTIMATE,
        }
    }

    /// Takes in the time between a message sent once and its acknowledgement.
    pub(super) fn sample(&mut self, sample: Duration) {
        self.deviation = (3 * self.deviation + self.smoothed.abs_diff(sample)) / 4;
        self.smoothed = (7 * self.smoothed + sample) / 8;
        let margin = (4 * self.deviation).max(SMALLEST_MARGIN);
        self.timeout = (self.smoothed + margin).min(LONGEST_TIMEOUT);
    }

    /// The timeout of a message that was sent `repeats` times in vain already.
    pub(super) fn timeout(&self, repeats: u32) -> Duration {
        let factor = 1 << repeats.min(10);
        (self.timeout * factor).min(LONGEST_BACKED_OFF)
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
            rtt.sample(Duration::from_secs(9));
        }
        assert_eq!(rtt.timeout(0), LONGEST_TIMEOUT);
        assert_eq!(rtt.timeout(u32::MAX), LONGEST_BACKED_OFF);
    }
}
