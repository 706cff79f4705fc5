//! psql, started so that nobody else sees the password.
//!
//! It gets it from a password file without a name: memory that only this
//! process and its child have open. Arguments and variables, which others can
//! list, hold everything else.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use aws::secrets_manager::DatabaseCredentials;
use region::host::visit;
use tokio::process::{Child, Command};

use super::OperateError;

/// How long psql has to end after it was told to.
const GRACE: Duration = Duration::from_secs(5);
/// Variables that would win over what it is told here.
const MISLEADING: [&str; 5] = [
    "PGPASSWORD",
    "PGSERVICE",
    "PGSSLCERTMODE",
    "PGSSLCRL",
    "PGSSLCRLDIR",
];

/// A way to a database.
pub(crate) struct Connection {
    /// The name its certificate has.
    pub(crate) host: String,
    /// Where it is reached.
    pub(crate) address: SocketAddr,
    pub(crate) database: String,
    pub(crate) credentials: DatabaseCredentials,
    pub(crate) authorities: PathBuf,
}

/// Starts psql on the terminal.
pub(crate) fn start(
    connection: &Connection,
    arguments: &[OsString],
) -> Result<(Child, File), OperateError> {
    let program = OsString::from("psql");
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => OperateError::NotInstalled {
            program: program.clone(),
        },
        _ => OperateError::Start {
            program: program.clone(),
            source,
        },
    };
    let passwords = password_file(connection).map_err(failed)?;
    // the child has the same descriptor
    let place = format!("/proc/self/fd/{}", passwords.as_raw_fd());
    let mut command = Command::new(&program);
    command
        .arg("--dbname")
        .arg(keywords(connection, Path::new(&place)))
        .args(arguments)
        .stdin(Stdio::inherit())
        .kill_on_drop(true);
    for name in MISLEADING {
        command.env_remove(name);
    }
    Ok((command.spawn().map_err(failed)?, passwords))
}

/// Tells psql to end, and ends it when it does not.
pub(crate) async fn end(child: &mut Child) -> io::Result<ExitStatus> {
    if let Some(pid) = child.id() {
        // it may have ended this instant
        let _gone = visit::ask_to_end(pid);
    }
    if let Ok(status) = tokio::time::timeout(GRACE, child.wait()).await {
        return status;
    }
    child.kill().await?;
    child.wait().await
}

/// As shells have it: 128 and the signal's number.
pub(crate) fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| Some(128 + status.signal()?));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// One line for exactly this connection, in memory that nobody else can open.
fn password_file(connection: &Connection) -> io::Result<File> {
    use rustix::fs::{MemfdFlags, memfd_create};
    // not closed when psql takes over
    let mut file = File::from(memfd_create("passwords", MemfdFlags::empty())?);
    // libpq does not read a file others might
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    let fields = [
        &connection.host,
        &connection.address.port().to_string(),
        &connection.database,
        &connection.credentials.username,
        connection.credentials.password.expose(),
    ];
    let line = fields.map(|field| field.replace('\\', r"\\").replace(':', r"\:"));
    writeln!(file, "{}", line.join(":"))?;
    Ok(file)
}

/// What libpq is told: the certificate is verified for the database's own name,
/// though the packets go to this machine.
fn keywords(connection: &Connection, passwords: &Path) -> String {
    let pairs = [
        ("host", connection.host.clone()),
        ("hostaddr", connection.address.ip().to_string()),
        ("port", connection.address.port().to_string()),
        ("dbname", connection.database.clone()),
        ("user", connection.credentials.username.clone()),
        ("passfile", passwords.to_string_lossy().into_owned()),
        ("sslmode", "verify-full".to_owned()),
        ("sslrootcert", text(&connection.authorities)),
        ("gssencmode", "disable".to_owned()),
        ("application_name", "kickytime db".to_owned()),
    ];
    let quoted = pairs.map(|(name, value)| {
        let value = value.replace('\\', r"\\").replace('\'', r"\'");
        format!("{name}='{value}'")
    });
    quoted.join(" ")
}

/// The same as a URL, with the password.
pub(crate) fn url(connection: &Connection) -> String {
    let credentials = &connection.credentials;
    format!(
        "postgresql://{}:{}@{}:{}/{}?hostaddr={}&sslmode=verify-full&sslrootcert={}",
        encoded(&credentials.username),
        encoded(credentials.password.expose()),
        connection.host,
        connection.address.port(),
        encoded(&connection.database),
        connection.address.ip(),
        encoded(&text(&connection.authorities)),
    )
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded += &format!("%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests;
