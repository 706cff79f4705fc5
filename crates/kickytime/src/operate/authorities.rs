//! Whose certificates may the database show? In AWS those under RDS's own
//! authorities, which are fetched once a month from where RDS publishes them,
//! over TLS that the machine's own roots verify.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Account, OperateError};

/// (RDS User Guide, "Using SSL/TLS to encrypt a connection".)
const URL: &str = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem";
const FILE: &str = "rds-global-bundle.pem";
/// RDS adds authorities long before it uses them.
const FRESH: Duration = Duration::from_secs(30 * 24 * 3600);

/// The file with the authorities of the account's databases.
pub(crate) async fn file(account: &Account) -> Result<PathBuf, OperateError> {
    if let Some(region) = &account.region_authorities {
        return Ok(region.clone());
    }
    let directory = cache();
    let path = directory.join(FILE);
    if is_fresh(&path) {
        return Ok(path);
    }
    let fetched = account.client.fetch(URL).await;
    match fetched.map_err(OperateError::Authorities) {
        Ok(Some(bundle)) if bundle.starts_with(b"-----BEGIN CERTIFICATE-----") => {
            let failed = |source| OperateError::Write {
                path: path.clone(),
                source,
            };
            store(&directory, &path, &bundle).map_err(failed)?;
            Ok(path)
        }
        // an older one is as good, if there is one
        _ if path.is_file() => Ok(path),
        Ok(_) => Err(OperateError::NoCertificates { url: URL }),
        Err(error) => Err(error),
    }
}

/// `$XDG_CACHE_HOME/kickytime`, or what stands for it.
fn cache() -> PathBuf {
    let of = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let base = of("XDG_CACHE_HOME").map(PathBuf::from);
    let base = base.or_else(|| Some(PathBuf::from(of("HOME")?).join(".cache")));
    base.unwrap_or_else(std::env::temp_dir).join("kickytime")
}

fn is_fresh(path: &Path) -> bool {
    let changed = fs::metadata(path).and_then(|found| found.modified());
    changed.is_ok_and(|changed| {
        SystemTime::now()
            .duration_since(changed)
            .is_ok_and(|age| age < FRESH)
    })
}

/// Whole or not at all: another command may read it meanwhile.
fn store(directory: &Path, path: &Path, bundle: &[u8]) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let partial = directory.join(format!("{FILE}.{}", std::process::id()));
    fs::write(&partial, bundle)?;
    fs::rename(&partial, path)
}
