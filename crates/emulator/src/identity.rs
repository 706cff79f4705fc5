//! Who can call: the account's roles and users, with the policies each brings along.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::digest;
use iam::{Named, Principal, PrincipalKind};
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::credentials::{self, Credentials};
use crate::random;
use crate::seed::{Seed, Sensitive, Tags};
use crate::service::kms::keyring::{Keyring, SERVICE_KEY};
use crate::store::Store;
use crate::vault::{self, VaultError};

const USERS_PATH: &str = "iam/users";

/// A role or user as the gate needs it.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) arn: String,
    pub(crate) name: String,
    /// `AROA…` or `AIDA…`, the same in every run.
    pub(crate) unique_id: String,
    pub(crate) policies: Vec<Named>,
    pub(crate) boundary: Option<Named>,
    /// A role's trust policy.
    pub(crate) trust: Option<Named>,
    pub(crate) max_session_seconds: i64,
    pub(crate) tags: Tags,
}

/// All roles and users.
pub(crate) struct Directory {
    roles: BTreeMap<String, Arc<Identity>>,
    users: BTreeMap<String, (Arc<Identity>, Credentials)>,
}

/// The caller of one request, once its signature was found good.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) principal: Principal,
    /// `None` for services and anonymous callers, who have no policies of their own.
    pub(crate) identity: Option<Arc<Identity>>,
    pub(crate) session_policies: Vec<Named>,
    pub(crate) access_key_id: Option<String>,
    /// When the session was opened.
    pub(crate) issued: Option<Timestamp>,
    /// The resource a service acts for: `aws:SourceArn`.
    pub(crate) source_arn: Option<String>,
}

impl Caller {
    /// A caller without a signature.
    pub(crate) fn anonymous() -> Self {
        Self::of(Principal::anonymous())
    }

    /// An AWS service, acting for itself or for `source_arn`.
    pub(crate) fn service(name: &str, source_arn: Option<&str>) -> Self {
        Self {
            source_arn: source_arn.map(str::to_owned),
            ..Self::of(Principal::service(name))
        }
    }

    /// `aws:userid`: the unique id of a user, with the session's name behind it if a role's.
    pub(crate) fn user_id(&self) -> Option<String> {
        let id = &self.identity.as_ref()?.unique_id;
        Some(match &self.principal.kind {
            PrincipalKind::RoleSession { session_name, .. } => format!("{id}:{session_name}"),
            _ => id.clone(),
        })
    }

    /// Any principal without policies of its own.
    pub(crate) fn of(principal: Principal) -> Self {
        Self {
            principal,
            identity: None,
            session_policies: Vec::new(),
            access_key_id: None,
            issued: None,
            source_arn: None,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct UserKey {
    access_key_id: String,
    secret_access_key: String,
}

impl Directory {
    /// Takes roles and users from the seed; a user's access key is made once and kept.
    pub(crate) fn open(store: &Store, keys: &Keyring, seed: &Seed) -> Result<Self, VaultError> {
        let roles = seed.roles.iter().map(|role| {
            let identity = Identity {
                arn: role.arn.clone(),
                name: role.name.clone(),
                unique_id: unique_id("AROA", &role.arn),
                policies: role.policies.clone(),
                boundary: role.boundary.clone(),
                trust: Some(Named::new(role.name.clone(), role.trust.clone())),
                max_session_seconds: i64::from(role.max_session_seconds),
                tags: role.tags.clone(),
            };
            (role.arn.clone(), Arc::new(identity))
        });
        let roles = roles.collect();
        let mut kept = read_user_keys(store, keys)?;
        let before = kept.len();
        let mut users = BTreeMap::new();
        for user in &seed.users {
            let key = kept.entry(user.arn.clone()).or_insert_with(|| UserKey {
                access_key_id: credentials::access_key_id("AKIA"),
                secret_access_key: credentials::secret_access_key(),
            });
            let made = Credentials {
                access_key_id: key.access_key_id.clone(),
                secret_access_key: Sensitive(key.secret_access_key.clone()),
                session_token: None,
                expiration: None,
            };
            let identity = Identity {
                arn: user.arn.clone(),
                name: user.name.clone(),
                unique_id: unique_id("AIDA", &user.arn),
                policies: user.policies.clone(),
                boundary: user.boundary.clone(),
                trust: None,
                max_session_seconds: 0,
                tags: user.tags.clone(),
            };
            users.insert(user.name.clone(), (Arc::new(identity), made));
        }
        if kept.len() > before {
            let bytes = serde_json::to_vec(&kept).expect("strings make JSON");
            vault::write(store, keys, SERVICE_KEY, USERS_PATH, &bytes)?;
        }
        Ok(Self { roles, users })
    }

    /// A role by ARN.
    pub(crate) fn role(&self, arn: &str) -> Option<&Arc<Identity>> {
        self.roles.get(arn)
    }

    /// A user's access key.
    pub(crate) fn user_credentials(&self, name: &str) -> Option<Credentials> {
        self.users
            .get(name)
            .map(|(_, credentials)| credentials.clone())
    }

    /// The user an access key id belongs to.
    pub(crate) fn user_of_key(&self, id: &str) -> Option<(&Arc<Identity>, &Credentials)> {
        self.users
            .values()
            .find(|(_, credentials)| credentials.access_key_id == id)
            .map(|(identity, credentials)| (identity, credentials))
    }
}

fn read_user_keys(store: &Store, keys: &Keyring) -> Result<BTreeMap<String, UserKey>, VaultError> {
    let Some(bytes) = vault::read(store, keys, USERS_PATH)? else {
        return Ok(BTreeMap::new());
    };
    serde_json::from_slice(&bytes).map_err(|_| VaultError::Damaged {
        path: store.describe(USERS_PATH),
        reason: "it is not the JSON written",
    })
}

/// AWS's unique ids are random; ours follow from the ARN, so that they stay the same.
fn unique_id(prefix: &str, arn: &str) -> String {
    let digest = digest::digest(&digest::SHA256, arn.as_bytes());
    let rest: String = digest.as_ref()[..17]
        .iter()
        .map(|byte| char::from(random::UPPER_BASE32[usize::from(byte % 32)]))
        .collect();
    format!("{prefix}{rest}")
}
