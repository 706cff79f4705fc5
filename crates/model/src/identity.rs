//! Who may act: roles, profiles, federation, and the people of a user pool.

use std::collections::BTreeMap;

use cfn::{Provenance, Value};
use serde_json::Value as Json;

use crate::LogicalId;

/// A policy document with the value it was written as, which knows its lines.
#[derive(Clone, Debug)]
pub struct Policy {
    pub name: String,
    pub document: Json,
    /// For the line of a statement; symbols are still unresolved here.
    pub source: Option<Value>,
    pub provenance: Provenance,
}

/// An IAM role.
#[derive(Clone, Debug)]
pub struct Role {
    pub id: LogicalId,
    pub arn: String,
    pub name: String,
    pub trust: Policy,
    /// Inline policies, and those attached by `AWS::IAM::Policy` and
    /// `AWS::IAM::ManagedPolicy` of the template.
    pub policies: Vec<Policy>,
    /// ARNs of managed policies outside the template.
    pub managed_policy_arns: Vec<String>,
    pub permissions_boundary: Option<String>,
    pub max_session_s: u32,
    pub tags: BTreeMap<String, String>,
    pub provenance: Provenance,
}

/// An instance profile.
#[derive(Clone, Debug)]
pub struct InstanceProfile {
    pub id: LogicalId,
    pub arn: String,
    pub name: String,
    pub role: Option<LogicalId>,
    pub provenance: Provenance,
}

/// An OpenID Connect provider that roles may trust.
#[derive(Clone, Debug)]
pub struct OidcProvider {
    pub id: LogicalId,
    pub arn: String,
    pub url: String,
    pub client_ids: Vec<String>,
    pub provenance: Provenance,
}

/// A Cognito user pool with its clients, domain and groups.
#[derive(Clone, Debug)]
pub struct UserPool {
    pub id: LogicalId,
    /// `ap-northeast-2_…`
    pub pool_id: String,
    pub arn: String,
    pub name: String,
    pub clients: Vec<UserPoolClient>,
    /// The prefix of `….auth.<region>.amazoncognito.com`.
    pub domain: Option<String>,
    pub groups: Vec<String>,
    pub self_sign_up: bool,
    pub minimum_password_length: u32,
    pub provenance: Provenance,
}

/// An application that signs people in with a pool.
#[derive(Clone, Debug)]
pub struct UserPoolClient {
    pub id: LogicalId,
    pub client_id: String,
    pub name: String,
    pub generate_secret: bool,
    pub callback_urls: Vec<String>,
    pub logout_urls: Vec<String>,
    pub oauth_flows: Vec<String>,
    pub oauth_scopes: Vec<String>,
    pub explicit_auth_flows: Vec<String>,
    /// Minutes.
    pub access_token_validity_min: u32,
    pub id_token_validity_min: u32,
    /// Days.
    pub refresh_token_validity_days: u32,
    pub provenance: Provenance,
}
