//! The VPC resolver and the public names.
//!
//! One [`Resolver`] answers for one view of the world: in a VPC, private DNS of
//! endpoints, databases, load balancers and instances come before the public
//! names. It is authoritative for everything it says and forwards nothing: a
//! name it does not know does not exist (RFC 1034, RFC 2308).

mod answer;
mod lookup;
mod server;

pub use lookup::LookupError;
pub use server::serve;

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use crate::blueprint::dns::DnsView;

/// What carries a question, and so how long the answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// 512 bytes, or what the asker's EDNS allows.
    Udp,
    /// Anything.
    Tcp,
}

/// Answers for one view; shared by listeners and components.
#[derive(Debug)]
pub struct Resolver(RwLock<Arc<DnsView>>);

impl Resolver {
    /// A resolver that knows `view`.
    pub fn new(view: DnsView) -> Arc<Self> {
        Arc::new(Self(RwLock::new(Arc::new(view))))
    }

    /// From now on `view` is what is known.
    pub fn replace(&self, view: DnsView) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
    }

    /// The answer to a packet from `source`; `None` if it deserves none.
    pub fn answer(&self, source: IpAddr, packet: &[u8], transport: Transport) -> Option<Vec<u8>> {
        answer::answer(&self.view(), source, packet, transport)
    }

    /// The addresses of a name as the asker at `source` sees them, aliases followed.
    pub fn lookup(&self, name: &str, source: IpAddr) -> Result<Vec<IpAddr>, LookupError> {
        let found = lookup::find(&self.view(), &lookup::normal(name), source);
        match found.addresses() {
            addresses if !addresses.is_empty() => Ok(addresses),
            _ if found.exists => Err(LookupError::NoAddress {
                name: name.to_owned(),
            }),
            _ => Err(LookupError::NoSuchName {
                name: name.to_owned(),
            }),
        }
    }

    fn view(&self) -> Arc<DnsView> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests;
