//! STS: who am I?

use crate::client::Client;
use crate::error::CallError;
use crate::xml;

/// Whom the credentials belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerIdentity {
    pub account: String,
    pub arn: String,
}

/// Asks whom the credentials belong to. It needs no permission.
///
/// # Errors
///
/// Credentials that are not good, or no way to the service.
pub async fn get_caller_identity(client: &Client) -> Result<CallerIdentity, CallError> {
    let action = "GetCallerIdentity";
    let answer = client.query("sts", "2011-06-15", action, &[]).await?;
    let read = || {
        let document = xml::parse(&answer)?;
        let found = xml::find(&document, "GetCallerIdentityResult")?;
        Some(CallerIdentity {
            account: xml::text(found, "Account")?,
            arn: xml::text(found, "Arn")?,
        })
    };
    read().ok_or(CallError::Answer {
        operation: action.to_owned(),
        reason: "it names nobody",
    })
}
