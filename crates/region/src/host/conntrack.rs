//! Flows the kernel accepted, from conntrack events.
