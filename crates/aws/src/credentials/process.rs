//! Credentials that a program of the person's own prints.
//!
//! (AWS SDKs and Tools Reference Guide, "Process credential provider".)

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value as Json;
use tokio::process::Command;
use tokio::time::timeout;

use super::{Credentials, CredentialsError};

/// It may ask the person something.
const LIMIT: Duration = Duration::from_secs(120);

pub(super) async fn credentials(command: &str) -> Result<Credentials, CredentialsError> {
    let failed = |reason: String| CredentialsError::ProcessFailed { reason };
    // its words are split as a shell would; what it says on standard error is for the person
    let run = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::inherit())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output();
    let output = timeout(LIMIT, run)
        .await
        .map_err(|_| failed(format!("it took longer than {LIMIT:?}")))?
        .map_err(|source| CredentialsError::Process { source })?;
    if !output.status.success() {
        return Err(failed(output.status.to_string()));
    }
    let answer: Json = serde_json::from_slice(&output.stdout)
        .map_err(|_| failed("what it printed is not JSON".to_owned()))?;
    if answer["Version"] != 1 {
        return Err(failed("what it printed is not of version 1".to_owned()));
    }
    let names = [
        "AccessKeyId",
        "SecretAccessKey",
        "SessionToken",
        "Expiration",
    ];
    Credentials::from_json(&answer, names)
        .ok_or_else(|| failed("what it printed lacks a key".to_owned()))
}
