//! Makes this machine match a Blueprint.
