//! Whom does this process trust when it opens a TLS connection?
//!
//! The roots of the platform (which `SSL_CERT_FILE` replaces, as everywhere)
//! and, for the database, those of one more file. Certificates are always
//! verified, chain and name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Why no trust could be established.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    #[error("cannot read root certificates from `{}`", path.display())]
    Unreadable {
        path: PathBuf,
        source: rustls::pki_types::pem::Error,
    },
    #[error("`{}` holds a certificate that cannot be a root", path.display())]
    NotARoot {
        path: PathBuf,
        source: rustls::Error,
    },
    #[error("no root certificates: neither the platform nor `SSL_CERT_FILE` has any")]
    NoRoots,
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

/// A client configuration that trusts the platform's roots and those in `extra`.
///
/// # Errors
/// A file that cannot be used, or no root at all.
pub fn client_config(extra: Option<&Path>) -> Result<Arc<ClientConfig>, TrustError> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!(error = %error, "a platform root certificate could not be read");
    }
    roots.add_parsable_certificates(native.certs);
    if let Some(path) = extra {
        add_file(&mut roots, path)?;
    }
    if roots.is_empty() {
        return Err(TrustError::NoRoots);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), TrustError> {
    let unreadable = |source| TrustError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let before = roots.len();
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        let certificate = certificate.map_err(unreadable)?;
        roots
            .add(certificate)
            .map_err(|source| TrustError::NotARoot {
                path: path.to_owned(),
                source,
            })?;
    }
    if roots.len() == before {
        return Err(unreadable(rustls::pki_types::pem::Error::NoItemsFound));
    }
    Ok(())
}
