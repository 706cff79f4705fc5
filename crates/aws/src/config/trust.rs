//! Whose certificates are believed?
//!
//! Those of the platform's authorities (which `SSL_CERT_FILE` replaces), or of
//! the file that `AWS_CA_BUNDLE` names. They are loaded when first needed: a
//! region on this machine is called without TLS, and needs none.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// Why no trust could be established.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    #[error("cannot read root certificates from `{}`", path.display())]
    Unreadable {
        path: PathBuf,
        source: rustls::pki_types::pem::Error,
    },
    #[error("there are no root certificates, neither the platform's nor in `SSL_CERT_FILE`")]
    NoRoots,
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

#[derive(Debug)]
pub(crate) struct Trust {
    bundle: Option<PathBuf>,
    loaded: OnceLock<Arc<ClientConfig>>,
}

impl Trust {
    pub(crate) fn new(bundle: Option<PathBuf>) -> Self {
        Self {
            bundle,
            loaded: OnceLock::new(),
        }
    }

    pub(crate) fn client_config(&self) -> Result<Arc<ClientConfig>, TrustError> {
        if let Some(config) = self.loaded.get() {
            return Ok(Arc::clone(config));
        }
        let config = load(self.bundle.as_ref())?;
        Ok(Arc::clone(self.loaded.get_or_init(|| config)))
    }
}

fn load(bundle: Option<&PathBuf>) -> Result<Arc<ClientConfig>, TrustError> {
    let mut roots = RootCertStore::empty();
    match bundle {
        Some(path) => {
            let unreadable = |source| TrustError::Unreadable {
                path: path.clone(),
                source,
            };
            let certificates = CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(unreadable)?;
            roots.add_parsable_certificates(certificates);
        }
        // one that cannot be read is one less to believe; none at all is told below
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(TrustError::NoRoots);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // a websocket is an upgrade of HTTP/1.1
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
