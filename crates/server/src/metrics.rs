//! What does this process count, and how is it read?
//!
//! Counters in the Prometheus text format (version 0.0.4), served on a port of
//! their own. Labels are route patterns, never paths, so their number is
//! fixed.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::database::PoolStatus;

/// Upper bounds of the latency buckets, in seconds.
const BOUNDS_S: [f64; 9] = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];

#[derive(Default)]
struct Latency {
    buckets: [u64; BOUNDS_S.len()],
    count: u64,
    sum_s: f64,
}

/// `(method, route pattern, status)`
type RequestKey = (String, String, u16);

/// Everything counted.
#[derive(Default)]
pub struct Metrics {
    requests: Mutex<BTreeMap<RequestKey, Latency>>,
    in_flight: AtomicI64,
    /// Joins that went to the database in company of others.
    pub joins_batched: AtomicU64,
    /// Joins that went alone.
    pub joins_single: AtomicU64,
    /// Match lists answered from memory.
    pub list_hits: AtomicU64,
    /// Match lists read from the database.
    pub list_loads: AtomicU64,
    /// Streams of events open now.
    pub event_streams: AtomicI64,
}

impl Metrics {
    pub fn request_started(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub fn request_ended(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts an answered request.
    pub fn answered(&self, method: &str, route: &str, status: u16, took: Duration) {
        let mut requests = self
            .requests
            .lock()
            .expect("no panic while the lock is held");
        let latency = requests
            .entry((method.to_owned(), route.to_owned(), status))
            .or_default();
        let seconds = took.as_secs_f64();
        latency.count += 1;
        latency.sum_s += seconds;
        for (bucket, bound) in latency.buckets.iter_mut().zip(BOUNDS_S) {
            *bucket += u64::from(seconds <= bound);
        }
    }

    /// The metrics as text.
    #[must_use]
    pub fn render(&self, pool: PoolStatus) -> String {
        let mut text = String::new();
        self.render_requests(&mut text);
        let gauges = [
            (
                "http_requests_in_flight",
                self.in_flight.load(Ordering::Relaxed),
            ),
            (
                "event_streams_open",
                self.event_streams.load(Ordering::Relaxed),
            ),
            (
                "db_connections_open",
                i64::try_from(pool.open).unwrap_or(i64::MAX),
            ),
            (
                "db_connections_idle",
                i64::try_from(pool.idle).unwrap_or(i64::MAX),
            ),
            (
                "db_connection_waiters",
                i64::try_from(pool.waiting).unwrap_or(i64::MAX),
            ),
        ];
        for (name, value) in gauges {
            line(
                &mut text,
                format_args!("# TYPE {name} gauge\n{name} {value}"),
            );
        }
        let counters = [
            ("match_joins_batched_total", &self.joins_batched),
            ("match_joins_single_total", &self.joins_single),
            ("match_list_cache_hits_total", &self.list_hits),
            ("match_list_loads_total", &self.list_loads),
        ];
        for (name, value) in counters {
            line(
                &mut text,
                format_args!(
                    "# TYPE {name} counter\n{name} {}",
                    value.load(Ordering::Relaxed)
                ),
            );
        }
        text
    }

    fn render_requests(&self, text: &mut String) {
        const NAME: &str = "http_request_duration_seconds";
        line(text, format_args!("# TYPE {NAME} histogram"));
        let requests = self
            .requests
            .lock()
            .expect("no panic while the lock is held");
        for ((method, route, status), latency) in &*requests {
            let labels = format!("method=\"{method}\",route=\"{route}\",status=\"{status}\"");
            for (bucket, bound) in latency.buckets.iter().zip(BOUNDS_S) {
                line(
                    text,
                    format_args!("{NAME}_bucket{{{labels},le=\"{bound}\"}} {bucket}"),
                );
            }
            line(
                text,
                format_args!("{NAME}_bucket{{{labels},le=\"+Inf\"}} {}", latency.count),
            );
            line(
                text,
                format_args!("{NAME}_sum{{{labels}}} {}", latency.sum_s),
            );
            line(
                text,
                format_args!("{NAME}_count{{{labels}}} {}", latency.count),
            );
        }
    }
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    writeln!(text, "{arguments}").expect("writing to a string does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_falls_into_every_bucket_that_is_wide_enough() {
        let metrics = Metrics::default();
        metrics.answered("GET", "/api/matches", 200, Duration::from_millis(7));
        let text = metrics.render(PoolStatus {
            open: 3,
            idle: 2,
            waiting: 0,
        });
        let labels = r#"method="GET",route="/api/matches",status="200""#;
        assert!(text.contains(&format!(
            "http_request_duration_seconds_bucket{{{labels},le=\"0.005\"}} 0\n"
        )));
        assert!(text.contains(&format!(
            "http_request_duration_seconds_bucket{{{labels},le=\"0.01\"}} 1\n"
        )));
        assert!(text.contains(&format!(
            "http_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 1\n"
        )));
        assert!(text.contains("db_connections_open 3\n"));
    }
}
