//! The emulator as its clients see it: signed requests in, answers out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod awscli;
mod gate;
mod kms;
mod logs;
mod oidc;
mod restart;
mod s3;
mod secretsmanager;
mod server;
mod ssm;
mod sts;
mod support;
