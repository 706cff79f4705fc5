//! What time is it? An argument, so that tests own it.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Milliseconds since the Unix epoch: the resolution AWS stores times in.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Whole seconds since the epoch, rounded down.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Seconds with milliseconds, the shape AWS JSON protocols give times in.
    pub fn epoch_seconds(self) -> serde_json::Value {
        // Exact: a double holds milliseconds of this era without loss.
        #[expect(
            clippy::cast_precision_loss,
            reason = "53 bits hold it for 285,000 years"
        )]
        let seconds = self.0 as f64 / 1_000.0;
        serde_json::Value::from(seconds)
    }

    /// This moment shifted by `seconds`, saturating.
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000)))
    }

    /// As a calendar date in UTC; a moment no calendar holds becomes the epoch.
    pub fn to_utc(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// `2026-11-22T10:00:00Z`.
    pub fn iso8601(self) -> String {
        let t = self.to_utc();
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            t.year(),
            u8::from(t.month()),
            t.day(),
            t.hour(),
            t.minute(),
            t.second()
        )
    }

    /// `2026-11-22T10:00:00.123Z`, as S3 lists times.
    pub fn iso8601_ms(self) -> String {
        let whole = self.iso8601();
        format!(
            "{}.{:03}Z",
            whole.trim_end_matches('Z'),
            self.0.rem_euclid(1_000)
        )
    }

    /// `Sun, 22 Nov 2026 10:00:00 GMT` (RFC 9110 §5.6.7).
    pub fn http_date(self) -> String {
        let t = self.to_utc();
        let weekday = t.weekday().to_string();
        let month = t.month().to_string();
        format!(
            "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
            &weekday[..3],
            t.day(),
            &month[..3],
            t.year(),
            t.hour(),
            t.minute(),
            t.second()
        )
    }
}

/// Where the emulator asks for the time.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The machine's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_each_protocol_wants_it() {
        let moment = Timestamp(1_795_341_600_123);
        assert_eq!(moment.iso8601(), "2026-11-22T10:00:00Z");
        assert_eq!(moment.iso8601_ms(), "2026-11-22T10:00:00.123Z");
        assert_eq!(moment.http_date(), "Sun, 22 Nov 2026 10:00:00 GMT");
        assert_eq!(moment.epoch_seconds().to_string(), "1795341600.123");
    }
}
