//! Secrets Manager: one secret's text.

use std::fmt;

use serde_json::{Value as Json, json};

use crate::client::Client;
use crate::error::CallError;

/// A secret's text. It does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// The text; whoever takes it keeps it out of arguments, variables and logs.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

/// What a database's secret holds, as `AWS::SecretsManager::SecretTargetAttachment`
/// and RDS itself write it.
#[derive(Debug, Clone)]
pub struct DatabaseCredentials {
    pub username: String,
    pub password: SecretText,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub database: Option<String>,
}

/// The current text of a secret.
///
/// # Errors
///
/// Want of permission, or no way to the service; a secret without text.
pub async fn get_secret_value(client: &Client, secret: &str) -> Result<SecretText, CallError> {
    let operation = "secretsmanager.GetSecretValue";
    let body = json!({ "SecretId": secret });
    let answer = client.json("secretsmanager", operation, &body).await?;
    let text = answer["SecretString"].as_str();
    text.map(|text| SecretText(text.to_owned()))
        .ok_or(CallError::Answer {
            operation: operation.to_owned(),
            reason: "the secret has no text",
        })
}

impl DatabaseCredentials {
    /// Reads a secret's text.
    #[must_use]
    pub fn read(secret: &str) -> Option<Self> {
        let fields: Json = serde_json::from_str(secret).ok()?;
        let text = |name: &str| fields[name].as_str().map(str::to_owned);
        // RDS writes a number, people write text
        let port = fields["port"]
            .as_u64()
            .and_then(|port| u16::try_from(port).ok())
            .or_else(|| fields["port"].as_str()?.parse().ok());
        Some(Self {
            username: text("username")?,
            password: SecretText(text("password")?),
            host: text("host"),
            port,
            database: text("dbname"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_databases_secret_is_read_and_does_not_print() {
        let text = r#"{"username":"u","password":"p4ss","host":"h","port":"5433","dbname":"d"}"#;
        let found = DatabaseCredentials::read(text).unwrap();
        assert_eq!(found.password.expose(), "p4ss");
        assert_eq!(
            (found.port, found.database.as_deref()),
            (Some(5433), Some("d"))
        );
        assert!(!format!("{found:?}").contains("p4ss"));
        assert!(DatabaseCredentials::read("p4ss").is_none());
    }
}
