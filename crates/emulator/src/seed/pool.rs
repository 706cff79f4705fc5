//! Who signs in: Cognito user pools, their clients, groups and first users.

use super::{Sensitive, Tags};

/// A Cognito user pool whose users sign in by e-mail address.
#[derive(Clone, Debug)]
pub struct UserPoolSeed {
    /// `ap-northeast-2_AbCdEfGhI`.
    pub id: String,
    /// The pool's name.
    pub name: String,
    /// `arn:aws:cognito-idp:region:account:userpool/ID`.
    pub arn: String,
    /// The prefix of the hosted domain, `PREFIX.auth.region.amazoncognito.com`.
    pub domain: Option<String>,
    /// Applications that may sign people in.
    pub clients: Vec<PoolClientSeed>,
    /// Groups users can be in.
    pub groups: Vec<GroupSeed>,
    /// Users to create, already confirmed.
    pub users: Vec<PoolUserSeed>,
    /// What a new password must satisfy.
    pub password_policy: PasswordPolicy,
    /// Whether people may sign up by themselves.
    pub self_sign_up: bool,
    /// Resource tags.
    pub tags: Tags,
}

/// A public application client (no client secret, so PKCE is demanded).
#[derive(Clone, Debug)]
pub struct PoolClientSeed {
    /// The client id.
    pub id: String,
    /// The client's name, shown on the sign-in page.
    pub name: String,
    /// Where a code may be sent; compared exactly.
    pub callback_urls: Vec<String>,
    /// Where sign-out may return to; compared exactly.
    pub logout_urls: Vec<String>,
    /// `openid`, `email`, `profile`, …
    pub scopes: Vec<String>,
    /// API sign-in flows the client may use besides the hosted page.
    pub auth_flows: Vec<AuthFlow>,
    /// Life times of tokens.
    pub validity: TokenValidity,
}

/// `ExplicitAuthFlows` this emulator knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthFlow {
    /// `ALLOW_USER_PASSWORD_AUTH`.
    UserPassword,
    /// `ALLOW_REFRESH_TOKEN_AUTH`.
    RefreshToken,
}

/// How long tokens last, in seconds; the defaults are Cognito's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenValidity {
    /// Access tokens: one hour.
    pub access_seconds: i64,
    /// ID tokens: one hour.
    pub id_seconds: i64,
    /// Refresh tokens: thirty days.
    pub refresh_seconds: i64,
}

impl Default for TokenValidity {
    fn default() -> Self {
        Self {
            access_seconds: 3_600,
            id_seconds: 3_600,
            refresh_seconds: 30 * 24 * 3_600,
        }
    }
}

/// A group of a pool.
#[derive(Clone, Debug)]
pub struct GroupSeed {
    /// As it appears in `cognito:groups`.
    pub name: String,
    /// Free text.
    pub description: String,
}

/// A user that exists from the start, e-mail verified.
#[derive(Clone, Debug)]
pub struct PoolUserSeed {
    /// The address they sign in with.
    pub email: String,
    /// Their password.
    pub password: Sensitive,
    /// The display name.
    pub nickname: String,
    /// Groups they are in.
    pub groups: Vec<String>,
}

/// `PasswordPolicy` of a pool; the defaults are Cognito's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// Fewest characters, 6 to 99.
    pub minimum_length: usize,
    /// At least one `a-z`.
    pub require_lowercase: bool,
    /// At least one `A-Z`.
    pub require_uppercase: bool,
    /// At least one digit.
    pub require_numbers: bool,
    /// At least one of Cognito's symbols.
    pub require_symbols: bool,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            minimum_length: 8,
            require_lowercase: true,
            require_uppercase: true,
            require_numbers: true,
            require_symbols: true,
        }
    }
}
