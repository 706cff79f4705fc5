//! Packets the ruleset rejected, from nfnetlink_log.
