//! What does the environment tell this process to do?
//!
//! Settings come from environment variables only and are read once, at the
//! start. A missing or malformed one is reported by its name, all of them at
//! once; no value is ever printed, so that none has to be secret-free.

use std::path::PathBuf;

/// Where the database credentials are and whom to trust when connecting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseSettings {
    /// ARN of the Secrets Manager secret with the database credentials.
    pub secret_arn: String,
    /// Region of that secret.
    pub region: String,
    /// PEM file with further roots for the database certificate.
    pub root_certificates: Option<PathBuf>,
}

/// Whose tokens are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CognitoSettings {
    /// `https://cognito-idp.REGION.amazonaws.com/POOL`, without a slash at the end.
    pub issuer: String,
    /// The app client the tokens must have been issued to.
    pub client_id: String,
}

/// Everything a serving role needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSettings {
    pub database: DatabaseSettings,
    pub cognito: CognitoSettings,
    /// Where requests are served.
    pub port: u16,
    /// Where metrics are served; the security group keeps it closed to callers.
    pub metrics_port: u16,
}

/// One fault in the environment.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SettingFault {
    #[error("`{name}` is not set ({meaning})")]
    Missing {
        name: &'static str,
        meaning: &'static str,
    },
    #[error("`{name}` is not {expected}")]
    Invalid {
        name: &'static str,
        expected: &'static str,
    },
}

/// All faults in the environment.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{}", list(.0))]
pub struct SettingsError(pub Vec<SettingFault>);

fn list(faults: &[SettingFault]) -> String {
    faults
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

/// Settings of `server migrate`.
///
/// # Errors
/// Every missing or malformed variable.
pub fn database(
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<DatabaseSettings, SettingsError> {
    let mut reader = Reader {
        lookup,
        faults: Vec::new(),
    };
    let database = reader.database();
    reader.finish(database)
}

/// Settings of `server users` and `server matches`.
///
/// # Errors
/// Every missing or malformed variable.
pub fn service(lookup: impl Fn(&str) -> Option<String>) -> Result<ServiceSettings, SettingsError> {
    let mut reader = Reader {
        lookup,
        faults: Vec::new(),
    };
    let settings = ServiceSettings {
        database: reader.database(),
        cognito: reader.cognito(),
        port: reader.port("PORT", 8080),
        metrics_port: reader.port("METRICS_PORT", 9090),
    };
    reader.finish(settings)
}

/// Collects faults while reading; a faulty value is replaced by an empty one
/// that never leaves `finish`.
struct Reader<F> {
    lookup: F,
    faults: Vec<SettingFault>,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    fn finish<T>(self, settings: T) -> Result<T, SettingsError> {
        if self.faults.is_empty() {
            Ok(settings)
        } else {
            Err(SettingsError(self.faults))
        }
    }

    fn database(&mut self) -> DatabaseSettings {
        DatabaseSettings {
            secret_arn: self.text(
                "DB_SECRET_ARN",
                "the ARN of the database secret",
                "a Secrets Manager ARN",
                |arn| arn.starts_with("arn:") && arn.contains(":secretsmanager:"),
            ),
            region: self.text("AWS_REGION", "the AWS region", "a region name", |region| {
                region
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            }),
            root_certificates: self.optional("PGSSLROOTCERT").map(PathBuf::from),
        }
    }

    fn cognito(&mut self) -> CognitoSettings {
        let issuer = self.text(
            "COGNITO_ISSUER",
            "the user pool's issuer URL",
            "an https URL",
            |issuer| {
                issuer
                    .strip_prefix("https://")
                    .is_some_and(|rest| !rest.is_empty())
            },
        );
        CognitoSettings {
            issuer: issuer.trim_end_matches('/').to_owned(),
            client_id: self.text(
                "COGNITO_CLIENT_ID",
                "the app client's id",
                "an app client id",
                |id| {
                    id.bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"_+-".contains(&b))
                },
            ),
        }
    }

    fn port(&mut self, name: &'static str, default: u16) -> u16 {
        match self.optional(name).map(|text| text.parse()) {
            None => default,
            Some(Ok(port)) => port,
            Some(Err(_)) => {
                self.faults.push(SettingFault::Invalid {
                    name,
                    expected: "a port number",
                });
                default
            }
        }
    }

    fn text(
        &mut self,
        name: &'static str,
        meaning: &'static str,
        expected: &'static str,
        valid: impl Fn(&str) -> bool,
    ) -> String {
        match self.optional(name) {
            None => self.faults.push(SettingFault::Missing { name, meaning }),
            Some(text) if valid(&text) => return text,
            Some(_) => self.faults.push(SettingFault::Invalid { name, expected }),
        }
        String::new()
    }

    /// A variable set to nothing counts as not set, as in a shell's `${X:-}`.
    fn optional(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 5] = [
        (
            "DB_SECRET_ARN",
            "arn:aws:secretsmanager:ap-northeast-2:111122223333:secret:kickytime/db-AbCdEf",
        ),
        ("AWS_REGION", "ap-northeast-2"),
        (
            "COGNITO_ISSUER",
            "https://cognito-idp.ap-northeast-2.amazonaws.com/ap-northeast-2_abc/",
        ),
        ("COGNITO_CLIENT_ID", "1h57kf5cpq17m0eml12EXAMPLE"),
        ("PGSSLROOTCERT", ""),
    ];

    fn with<'a>(changes: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| {
            changes
                .iter()
                .chain(GOOD.iter())
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn defaults_and_the_issuer_without_its_slash() {
        let settings = service(with(&[])).expect("complete");
        assert_eq!((settings.port, settings.metrics_port), (8080, 9090));
        assert!(settings.cognito.issuer.ends_with("ap-northeast-2_abc"));
        assert_eq!(settings.database.root_certificates, None);
    }

    #[test]
    fn every_fault_is_named_at_once_and_no_value_is_shown() {
        let error = service(with(&[
            ("DB_SECRET_ARN", "hunter2"),
            ("AWS_REGION", ""),
            ("COGNITO_ISSUER", "http://plain"),
            ("PORT", "70000"),
        ]))
        .expect_err("four faults")
        .to_string();
        assert_eq!(
            error,
            "`DB_SECRET_ARN` is not a Secrets Manager ARN; `AWS_REGION` is not set (the AWS region); \
             `COGNITO_ISSUER` is not an https URL; `PORT` is not a port number"
        );
    }

    #[test]
    fn migrate_needs_no_user_pool() {
        database(with(&[("COGNITO_ISSUER", ""), ("COGNITO_CLIENT_ID", "")]))
            .expect("enough for a migration");
    }
}
