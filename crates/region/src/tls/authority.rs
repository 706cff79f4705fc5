//! The authority itself: created once, kept in the state directory, signing leaves.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore};
use time::{Duration, OffsetDateTime};

const CERTIFICATE_FILE: &str = "ca.pem";
const KEY_FILE: &str = "ca-key.pem";
const AUTHORITY_LIFETIME: Duration = Duration::days(3650);
/// How long a leaf is valid; it is signed anew long before ([`RENEW_BEFORE`]).
pub(super) const LEAF_LIFETIME: Duration = Duration::days(7);
/// Remaining life at which a leaf is replaced.
pub(super) const RENEW_BEFORE: Duration = Duration::days(2);
/// Clocks may differ by this much.
const BACKDATED: Duration = Duration::hours(1);

/// Why the authority could not be opened, or could not sign.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file of the state directory could not be read or written.
    #[error("could not use `{path}`", path = path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The kept authority is damaged: no certificate, no key, or not a pair.
    #[error("`{path}` holds no usable certificate authority", path = path.display())]
    Damaged {
        /// The file at fault.
        path: PathBuf,
    },
    /// A name that no certificate can carry.
    #[error("`{name}` is not a host name")]
    Name {
        /// The name asked for.
        name: String,
    },
    /// A listener without any name.
    #[error("a TLS listener needs at least one host name")]
    NoNames,
    /// The signing itself failed.
    #[error("could not sign a certificate")]
    Sign(#[from] rcgen::Error),
}

/// A certificate and its key as PEM files, for programs that read files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// The private key, readable by its owner only.
    pub key: PathBuf,
}

/// The region's certificate authority. Its key never leaves this type.
pub struct Authority {
    directory: PathBuf,
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    client_config: Arc<ClientConfig>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Authority")
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

impl Authority {
    /// Opens the authority kept in `directory`, or makes a new one there.
    pub fn open(directory: &Path) -> Result<Self, AuthorityError> {
        fs::create_dir_all(directory).map_err(|source| file_error(directory, source))?;
        let certificate_path = directory.join(CERTIFICATE_FILE);
        let key_path = directory.join(KEY_FILE);
        if !(certificate_path.exists() && key_path.exists()) {
            create(&certificate_path, &key_path)?;
        }
        let damaged = |path: &Path| AuthorityError::Damaged {
            path: path.to_owned(),
        };
        let pem =
            fs::read(&certificate_path).map_err(|source| file_error(&certificate_path, source))?;
        let certificate =
            CertificateDer::from_pem_slice(&pem).map_err(|_| damaged(&certificate_path))?;
        let key_pem =
            fs::read_to_string(&key_path).map_err(|source| file_error(&key_path, source))?;
        let key = KeyPair::from_pem(&key_pem).map_err(|_| damaged(&key_path))?;
        pair(&certificate, &key).ok_or_else(|| damaged(&key_path))?;
        let issuer =
            Issuer::from_ca_cert_der(&certificate, key).map_err(|_| damaged(&certificate_path))?;
        let mut roots = RootCertStore::empty();
        roots
            .add(certificate.clone())
            .map_err(|_| damaged(&certificate_path))?;
        let client_config = super::client_config(roots);
        Ok(Self {
            directory: directory.to_owned(),
            certificate,
            issuer,
            client_config,
        })
    }

    /// The PEM file children are told to trust.
    pub fn bundle_path(&self) -> PathBuf {
        self.directory.join(CERTIFICATE_FILE)
    }

    /// The authority's certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// A TLS client that trusts this authority and nothing else, speaking HTTP/1.1.
    pub fn client_config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.client_config)
    }

    /// Writes a fresh certificate for `names` into `directory` as `NAME.pem` and
    /// `NAME-key.pem`, `NAME` being `label`. The key file is 0600 and belongs to
    /// the calling user, as PostgreSQL demands of its own.
    pub fn certificate_files(
        &self,
        directory: &Path,
        label: &str,
        names: &[String],
    ) -> Result<CertificateFiles, AuthorityError> {
        fs::create_dir_all(directory).map_err(|source| file_error(directory, source))?;
        let (certificate, key) =
            self.sign(names, OffsetDateTime::now_utc(), Duration::days(365))?;
        let files = CertificateFiles {
            certificate: directory.join(format!("{label}.pem")),
            key: directory.join(format!("{label}-key.pem")),
        };
        write_file(&files.key, key.serialize_pem().as_bytes(), 0o600)?;
        write_file(&files.certificate, certificate.pem().as_bytes(), 0o644)?;
        Ok(files)
    }

    /// Signs a leaf for `names`, valid from `now` for [`LEAF_LIFETIME`].
    pub(super) fn issue(
        &self,
        names: &[String],
        now: OffsetDateTime,
    ) -> Result<Arc<CertifiedKey>, AuthorityError> {
        let (certificate, key) = self.sign(names, now, LEAF_LIFETIME)?;
        let chain = vec![certificate.der().clone()];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let key = aws_lc_rs::sign::any_ecdsa_type(&key)
            .expect("a P-256 key just made is a usable signing key");
        Ok(Arc::new(CertifiedKey::new(chain, key)))
    }

    fn sign(
        &self,
        names: &[String],
        now: OffsetDateTime,
        lifetime: Duration,
    ) -> Result<(rcgen::Certificate, KeyPair), AuthorityError> {
        let first = names.first().ok_or(AuthorityError::NoNames)?;
        let mut params = CertificateParams::new(names).map_err(|_| AuthorityError::Name {
            name: names.join("`, `"),
        })?;
        // a common name holds at most 64 bytes; the names that count are the alternative ones
        params.distinguished_name = DistinguishedName::new();
        if first.len() <= 64 {
            params
                .distinguished_name
                .push(DnType::CommonName, first.as_str());
        }
        params.not_before = now - BACKDATED;
        params.not_after = now + lifetime;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok((certificate, key))
    }
}

fn create(certificate_path: &Path, key_path: &Path) -> Result<(), AuthorityError> {
    let now = OffsetDateTime::now_utc();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "Kickytime region authority");
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Kickytime");
    params.not_before = now - BACKDATED;
    params.not_after = now + AUTHORITY_LIFETIME;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.self_signed(&key)?;
    write_file(key_path, key.serialize_pem().as_bytes(), 0o600)?;
    write_file(certificate_path, certificate.pem().as_bytes(), 0o644)
}

/// `None` when the key is not the certificate's.
fn pair(certificate: &CertificateDer<'static>, key: &KeyPair) -> Option<()> {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = aws_lc_rs::sign::any_ecdsa_type(&key).ok()?;
    CertifiedKey::new(vec![certificate.clone()], key)
        .keys_match()
        .ok()
}

/// Puts the whole file in place at once, so that a killed program leaves the old one or none.
fn write_file(path: &Path, bytes: &[u8], mode: u32) -> Result<(), AuthorityError> {
    let fresh = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut file: File = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&fresh)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    };
    write().map_err(|source| file_error(path, source))
}

fn file_error(path: &Path, source: io::Error) -> AuthorityError {
    AuthorityError::File {
        path: path.to_owned(),
        source,
    }
}
