//! What does the database secret in Secrets Manager say?
//!
//! One call, `GetSecretValue`, with the SDK's default credential chain. The
//! JSON inside has the keys RDS and `SecretTargetAttachment` write
//! (Secrets Manager user guide, "JSON structure of secrets").

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::Client;
use serde::Deserialize;

use super::credentials::{CredentialError, CredentialSource, Credentials, Secret};
use crate::settings::DatabaseSettings;

const CALL_TIMEOUT: Duration = Duration::from_secs(5);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// The secret of the settings, read at each call.
pub struct SecretsManager {
    client: Client,
    secret_arn: String,
}

impl SecretsManager {
    pub async fn new(settings: &DatabaseSettings) -> Self {
        let timeouts = TimeoutConfig::builder()
            .operation_timeout(CALL_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .build();
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(aws_config::Region::new(settings.region.clone()))
            .timeout_config(timeouts)
            .load()
            .await;
        Self {
            client: Client::new(&config),
            secret_arn: settings.secret_arn.clone(),
        }
    }
}

impl CredentialSource for SecretsManager {
    fn fetch(
        &self,
    ) -> Pin<Box<dyn Future<Output = Result<Credentials, CredentialError>> + Send + '_>> {
        Box::pin(async {
            let answer = self
                .client
                .get_secret_value()
                .secret_id(&self.secret_arn)
                .send()
                .await
                .map_err(|error| CredentialError::Unreadable(error.into()))?;
            let credentials = parse(answer.secret_string().ok_or(CredentialError::NoText)?)?;
            tracing::info!(
                secret.version = answer.version_id().unwrap_or_default(),
                "read the database secret"
            );
            Ok(credentials)
        })
    }
}

#[derive(Deserialize)]
struct Wire {
    username: String,
    password: Secret,
    host: String,
    #[serde(default)]
    port: Option<Port>,
    dbname: String,
}

/// RDS writes a number; secrets made by hand often hold a string.
#[derive(Deserialize)]
#[serde(untagged)]
enum Port {
    Number(u16),
    Text(String),
}

/// A parse failure says nothing of the text: it is the secret.
fn parse(text: &str) -> Result<Credentials, CredentialError> {
    let wire: Wire = serde_json::from_str(text).map_err(|_| CredentialError::Malformed)?;
    let port = match wire.port {
        None => 5432,
        Some(Port::Number(port)) => port,
        Some(Port::Text(port)) => port.parse().map_err(|_| CredentialError::Malformed)?,
    };
    let Wire {
        username,
        password,
        host,
        dbname,
        ..
    } = wire;
    Ok(Credentials {
        username,
        password,
        host,
        port,
        dbname,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_may_be_a_number_a_string_or_the_default() {
        let with = |port: &str| {
            parse(&format!(
                r#"{{"username":"app","password":"p","engine":"postgres","host":"db","dbname":"kickytime"{port}}}"#
            ))
        };
        assert_eq!(with(r#","port":5433"#).expect("number").port, 5433);
        assert_eq!(with(r#","port":"5434""#).expect("string").port, 5434);
        assert_eq!(with("").expect("absent").port, 5432);
        assert!(matches!(
            with(r#","port":"x""#),
            Err(CredentialError::Malformed)
        ));
    }

    #[test]
    fn a_malformed_secret_is_not_quoted() {
        let error = parse(r#"{"password":"hunter2""#).expect_err("cut off");
        assert!(!format!("{error:?} {error}").contains("hunter2"));
    }
}
