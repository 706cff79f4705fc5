//! Accepted and rejected flows as VPC flow log records.
