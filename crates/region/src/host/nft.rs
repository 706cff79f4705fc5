//! A typed ruleset as netlink messages, one atomic transaction.
