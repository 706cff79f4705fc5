//! Which certificate a client is shown.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;

use super::authority::{Authority, AuthorityError, LEAF_LIFETIME, RENEW_BEFORE};

/// The names one listener is entitled to, each with its certificate, signed when
/// first asked for and again before it ends.
#[derive(Debug)]
pub(super) struct Entitled {
    authority: Arc<Authority>,
    // INVARIANT: not empty; the first is the default
    names: Vec<Name>,
}

#[derive(Debug)]
struct Name {
    /// `host.example` or `*.example`, lower case.
    pattern: String,
    issued: Mutex<Option<Issued>>,
}

#[derive(Debug)]
struct Issued {
    key: Arc<CertifiedKey>,
    renew_at: OffsetDateTime,
}

impl Entitled {
    pub(super) fn new(authority: Arc<Authority>, names: &[String]) -> Result<Self, AuthorityError> {
        if names.is_empty() {
            return Err(AuthorityError::NoNames);
        }
        let names = names
            .iter()
            .map(|name| Name {
                pattern: name.to_ascii_lowercase(),
                issued: Mutex::new(None),
            })
            .collect();
        let entitled = Self { authority, names };
        // a name that cannot be signed is a fault of the plan: say so now, not in a handshake
        for name in &entitled.names {
            entitled.certificate(name, OffsetDateTime::now_utc())?;
        }
        Ok(entitled)
    }

    fn certificate(
        &self,
        name: &Name,
        now: OffsetDateTime,
    ) -> Result<Arc<CertifiedKey>, AuthorityError> {
        let mut issued = name.issued.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(issued) = issued.as_ref()
            && now < issued.renew_at
        {
            return Ok(Arc::clone(&issued.key));
        }
        let key = self
            .authority
            .issue(std::slice::from_ref(&name.pattern), now)?;
        let renew_at = now + LEAF_LIFETIME - RENEW_BEFORE;
        *issued = Some(Issued {
            key: Arc::clone(&key),
            renew_at,
        });
        Ok(key)
    }
}

impl ResolvesServerCert for Entitled {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked = hello.server_name().map(str::to_ascii_lowercase);
        let name = asked
            .and_then(|asked| self.names.iter().find(|name| covers(&name.pattern, &asked)))
            .or_else(|| self.names.first())?;
        self.certificate(name, OffsetDateTime::now_utc()).ok()
    }
}

/// Whether a certificate for `pattern` covers `name` (RFC 6125 §6.4.3: a `*`
/// stands for one whole left-most label).
fn covers(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(parent) => name
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest == parent),
        None => pattern == name,
    }
}
