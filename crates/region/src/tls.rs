//! The region's certificate authority and the certificates it signs.
//!
//! One P-256 authority per state directory stands for every public and private
//! authority of AWS. It signs certificates for the real host names, and
//! everything inside the region trusts it through the ordinary means: our own
//! components by [`Authority::client_config`], children by the PEM file at
//! [`Authority::bundle_path`]. Nothing turns verification off.
//!
//! Which names a listener may present is decided by its owner: a
//! [`server_config`] answers for those names and no others.

mod authority;
mod resolver;

pub use authority::{Authority, AuthorityError, CertificateFiles};

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ServerConfig, SupportedProtocolVersion};

use crate::blueprint::balancer::TlsVersions;
use resolver::Entitled;

/// A server side that presents certificates for `names` (each a host name or
/// `*.` wildcard), the first of them to a client that asks for another name.
///
/// The application protocols offered are HTTP/2 (if `http2`) and HTTP/1.1.
pub fn server_config(
    authority: &Arc<Authority>,
    names: &[String],
    versions: TlsVersions,
    http2: bool,
) -> Result<Arc<ServerConfig>, AuthorityError> {
    let entitled = Entitled::new(Arc::clone(authority), names)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(supported(versions))
        .expect("the provider supports TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(entitled));
    config.alpn_protocols = if http2 {
        vec![b"h2".to_vec(), b"http/1.1".to_vec()]
    } else {
        vec![b"http/1.1".to_vec()]
    };
    config.send_tls13_tickets = 1;
    if let Ok(ticketer) = aws_lc_rs::Ticketer::new() {
        config.ticketer = ticketer;
    }
    Ok(Arc::new(config))
}

fn supported(versions: TlsVersions) -> &'static [&'static SupportedProtocolVersion] {
    static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
    match versions {
        TlsVersions::OneThree => &BOTH[..1],
        TlsVersions::OneTwoAndThree => &BOTH,
        TlsVersions::OneTwo => &BOTH[1..],
    }
}

/// A client side that trusts `roots` and speaks HTTP/1.1.
fn client_config(roots: rustls::RootCertStore) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .expect("the provider supports TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

#[cfg(test)]
mod tests;
