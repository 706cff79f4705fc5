//! Keeps workloads running: start, health, restart with backoff, stop.
