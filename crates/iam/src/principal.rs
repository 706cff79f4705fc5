//! Who is asking?
//!
//! A [`Principal`] knows every form in which a policy may name it (session ARN,
//! role ARN, account, service name) and the condition keys that follow from who
//! it is. The request cannot claim those keys for itself.

use std::collections::BTreeMap;

/// The caller of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// What sort of caller, with its names.
    pub kind: PrincipalKind,
    /// Principal (and session) tags: `aws:PrincipalTag/KEY`.
    pub tags: BTreeMap<String, String>,
}

/// The sorts of caller IAM distinguishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrincipalKind {
    /// Nobody signed the request.
    Anonymous,
    /// The root user of an account.
    Root { account: String, arn: String },
    /// An IAM user. `name` is without its path.
    User {
        account: String,
        arn: String,
        name: String,
    },
    /// A session of a role.
    RoleSession {
        account: String,
        /// `arn:aws:iam::ACCOUNT:role/PATH/NAME`
        role_arn: String,
        /// `arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION`
        session_arn: String,
        session_name: String,
    },
    /// An AWS service acting for itself: `ecs-tasks.amazonaws.com`.
    Service { name: String },
    /// Someone an identity provider vouches for, before assuming a role.
    Federated {
        /// ARN of the OIDC or SAML provider, or a domain such as `cognito-identity.amazonaws.com`.
        provider: String,
    },
}

impl Principal {
    /// A caller without credentials.
    #[must_use]
    pub fn anonymous() -> Self {
        PrincipalKind::Anonymous.into()
    }

    /// The root user of `account`.
    #[must_use]
    pub fn root(account: &str) -> Self {
        PrincipalKind::Root {
            account: account.to_owned(),
            arn: format!("arn:aws:iam::{account}:root"),
        }
        .into()
    }

    /// An IAM user by ARN; `None` when the ARN is not a user's.
    #[must_use]
    pub fn user(arn: &str) -> Option<Self> {
        let (account, path) = iam_arn(arn, "user/")?;
        let name = path.rsplit('/').next().filter(|name| !name.is_empty())?;
        let kind = PrincipalKind::User {
            account: account.to_owned(),
            arn: arn.to_owned(),
            name: name.to_owned(),
        };
        Some(kind.into())
    }

    /// A session of the role `role_arn`; `None` when the ARN is not a role's.
    #[must_use]
    pub fn role_session(role_arn: &str, session_name: &str) -> Option<Self> {
        let (account, path) = iam_arn(role_arn, "role/")?;
        let name = path.rsplit('/').next().filter(|name| !name.is_empty())?;
        let partition = role_arn.split(':').nth(1).unwrap_or("aws");
        let kind = PrincipalKind::RoleSession {
            account: account.to_owned(),
            role_arn: role_arn.to_owned(),
            session_arn: format!(
                "arn:{partition}:sts::{account}:assumed-role/{name}/{session_name}"
            ),
            session_name: session_name.to_owned(),
        };
        Some(kind.into())
    }

    /// An AWS service principal.
    #[must_use]
    pub fn service(name: &str) -> Self {
        PrincipalKind::Service {
            name: name.to_owned(),
        }
        .into()
    }

    /// The holder of a token from an identity provider.
    #[must_use]
    pub fn federated(provider: &str) -> Self {
        PrincipalKind::Federated {
            provider: provider.to_owned(),
        }
        .into()
    }

    /// The same principal with tags.
    #[must_use]
    pub fn with_tags<K: Into<String>, V: Into<String>>(
        mut self,
        tags: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.tags.extend(
            tags.into_iter()
                .map(|(key, value)| (key.into(), value.into())),
        );
        self
    }

    /// The account it belongs to; none for services, federated and anonymous callers.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        match &self.kind {
            PrincipalKind::Root { account, .. }
            | PrincipalKind::User { account, .. }
            | PrincipalKind::RoleSession { account, .. } => Some(account),
            PrincipalKind::Anonymous
            | PrincipalKind::Service { .. }
            | PrincipalKind::Federated { .. } => None,
        }
    }

    /// Its ARN as `GetCallerIdentity` answers: of the session, not of the role.
    #[must_use]
    pub fn arn(&self) -> Option<&str> {
        match &self.kind {
            PrincipalKind::Root { arn, .. } | PrincipalKind::User { arn, .. } => Some(arn),
            PrincipalKind::RoleSession { session_arn, .. } => Some(session_arn),
            PrincipalKind::Federated { provider } => Some(provider),
            PrincipalKind::Anonymous | PrincipalKind::Service { .. } => None,
        }
    }

    /// How a sentence names it.
    #[must_use]
    pub fn display_name(&self) -> &str {
        match &self.kind {
            PrincipalKind::Service { name } => name,
            _ => self.arn().unwrap_or("anonymous"),
        }
    }

    /// Whether it is a role only AWS itself uses; service control policies spare those.
    #[must_use]
    pub fn is_service_linked(&self) -> bool {
        matches!(&self.kind, PrincipalKind::RoleSession { role_arn, .. }
            if role_arn.contains(":role/aws-service-role/"))
    }

    /// The value of a condition key that follows from who the principal is.
    ///
    /// `None`: the key is not of this kind. `Some(None)`: it is, and the
    /// principal lacks it. `key` is lower case.
    pub(crate) fn condition_value(&self, key: &str) -> Option<Option<&str>> {
        if let Some(tag) = key.strip_prefix("aws:principaltag/") {
            let found = self
                .tags
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(tag));
            return Some(found.map(|(_, value)| value.as_str()));
        }
        Some(match key {
            "aws:principalaccount" => self.account(),
            "aws:principalarn" => match &self.kind {
                PrincipalKind::RoleSession { role_arn, .. } => Some(role_arn),
                PrincipalKind::Federated { .. } => None,
                _ => self.arn(),
            },
            "aws:principaltype" => Some(match &self.kind {
                PrincipalKind::Anonymous => "Anonymous",
                PrincipalKind::Root { .. } => "Account",
                PrincipalKind::User { .. } => "User",
                PrincipalKind::RoleSession { .. } => "AssumedRole",
                PrincipalKind::Service { .. } => "Service",
                PrincipalKind::Federated { .. } => "FederatedUser",
            }),
            "aws:username" => match &self.kind {
                PrincipalKind::User { name, .. } => Some(name),
                _ => None,
            },
            "aws:principalisawsservice" => Some(match &self.kind {
                PrincipalKind::Service { .. } => "true",
                _ => "false",
            }),
            "aws:principalservicename" => match &self.kind {
                PrincipalKind::Service { name } => Some(name),
                _ => None,
            },
            _ => return None,
        })
    }
}

impl From<PrincipalKind> for Principal {
    fn from(kind: PrincipalKind) -> Self {
        Self {
            kind,
            tags: BTreeMap::new(),
        }
    }
}

/// Account and name of `arn:PARTITION:iam::ACCOUNT:{kind}{name}`.
fn iam_arn<'a>(arn: &'a str, kind: &str) -> Option<(&'a str, &'a str)> {
    let mut parts = arn.splitn(6, ':');
    let (scheme, _partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (_region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
    let name = resource.strip_prefix(kind)?;
    (scheme == "arn" && service == "iam" && !account.is_empty()).then_some((account, name))
}
