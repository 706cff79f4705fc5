//! Upstream connections, kept and reused per thread.
