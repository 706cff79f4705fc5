//! From security groups and network ACLs to an nf_tables ruleset.
