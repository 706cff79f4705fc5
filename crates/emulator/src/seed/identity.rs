//! Who exists: roles and users, with the policies that say what they may do.

use iam::{Named, PolicyDocument};

use super::Tags;

/// An IAM role.
#[derive(Clone, Debug)]
pub struct RoleSeed {
    /// The role's name, unique in the account.
    pub name: String,
    /// `arn:aws:iam::123456789012:role/…`.
    pub arn: String,
    /// Who may assume it.
    pub trust: PolicyDocument,
    /// Its identity policies, inline and attached, under the names answers cite.
    pub policies: Vec<Named>,
    /// The permissions boundary, which limits and never grants.
    pub boundary: Option<Named>,
    /// Longest session, in seconds (AWS: 3,600 to 43,200).
    pub max_session_seconds: u32,
    /// Seen by conditions as `aws:PrincipalTag`.
    pub tags: Tags,
}

/// An IAM user with one access key, generated when first seen and kept in the state directory.
#[derive(Clone, Debug)]
pub struct UserSeed {
    /// The user's name, unique in the account.
    pub name: String,
    /// `arn:aws:iam::123456789012:user/…`.
    pub arn: String,
    /// Its identity policies.
    pub policies: Vec<Named>,
    /// The permissions boundary.
    pub boundary: Option<Named>,
    /// Seen by conditions as `aws:PrincipalTag`.
    pub tags: Tags,
}
