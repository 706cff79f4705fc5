//! KMS grants: permission to use a key that stands in no policy.
//! (KMS Developer Guide, "Grants in AWS KMS".)

use std::collections::BTreeMap;

use crate::context::Request;
use crate::principal::PrincipalKind;

/// One grant on a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub id: String,
    /// ARN of the key.
    pub key_arn: String,
    /// ARN of a user, role, session or account root, or a service name.
    pub grantee: String,
    /// KMS operations without their prefix: `Decrypt`.
    pub operations: Vec<String>,
    pub constraint: Option<GrantConstraint>,
}

/// What the encryption context must be for the grant to count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantConstraint {
    /// The context has at least these pairs.
    EncryptionContextSubset(BTreeMap<String, String>),
    /// The context has exactly these pairs.
    EncryptionContextEquals(BTreeMap<String, String>),
}

impl Grant {
    /// Whether the grant lets `request` pass.
    ///
    /// The encryption context is read from `kms:EncryptionContext:KEY` and
    /// `kms:EncryptionContextKeys`.
    pub(super) fn covers(&self, request: &Request<'_>) -> bool {
        let operation = request
            .action
            .split_once(':')
            .map_or("", |(_, operation)| operation);
        self.key_arn == request.resource
            && request
                .action
                .get(..4)
                .is_some_and(|service| service.eq_ignore_ascii_case("kms:"))
            && self
                .operations
                .iter()
                .any(|granted| granted.eq_ignore_ascii_case(operation))
            && self.names(request)
            && self
                .constraint
                .as_ref()
                .is_none_or(|constraint| constraint.holds(request))
    }

    fn names(&self, request: &Request<'_>) -> bool {
        let principal = request.principal;
        let is_account = || {
            let account = principal.account()?;
            let root = self.grantee.strip_suffix(":root")?;
            Some(root.rsplit(':').next() == Some(account))
        };
        let is_it = match &principal.kind {
            PrincipalKind::RoleSession {
                role_arn,
                session_arn,
                ..
            } => self.grantee == *role_arn || self.grantee == *session_arn,
            PrincipalKind::Service { name } => self.grantee == *name,
            _ => principal.arn() == Some(&self.grantee),
        };
        is_it || is_account() == Some(true)
    }
}

impl GrantConstraint {
    fn holds(&self, request: &Request<'_>) -> bool {
        let has = |pairs: &BTreeMap<String, String>| {
            pairs.iter().all(|(key, value)| {
                request.context.get(&format!("kms:EncryptionContext:{key}")) == [value.as_str()]
            })
        };
        match self {
            Self::EncryptionContextSubset(pairs) => has(pairs),
            Self::EncryptionContextEquals(pairs) => {
                let keys = request.context.get("kms:EncryptionContextKeys");
                has(pairs) && keys.iter().all(|key| pairs.contains_key(key))
            }
        }
    }
}
