//! An nf_tables ruleset as typed data.
