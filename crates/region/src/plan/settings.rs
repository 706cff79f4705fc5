//! What the person decides beside the template.

use emulator::Sensitive;

/// Settings of one local region.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Port of the site's door on 127.0.0.1.
    pub site_port: u16,
    /// People who can sign in from the start.
    pub sign_ins: Vec<SignIn>,
}

/// Somebody who can sign in from the start.
#[derive(Clone, Debug)]
pub struct SignIn {
    pub email: String,
    pub nickname: String,
    pub password: Sensitive,
    /// Groups of the user pool; those the pool does not have are left out.
    pub groups: Vec<String>,
}
