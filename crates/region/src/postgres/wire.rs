//! A few statements over the server's private socket.
//!
//! The smallest client of the protocol, version 3.0: the socket proves who we
//! are (`peer`), so there is no password, no TLS and no result to read.
//! <https://www.postgresql.org/docs/current/protocol-flow.html>

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longest message we read; what answers our statements is far shorter.
const MESSAGE_LIMIT: usize = 1 << 20;

/// Why a statement was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    /// The connection failed.
    #[error("cannot talk to the database server over its private socket")]
    Connection(#[from] io::Error),
    /// The server refused.
    #[error("the database server refused: {message} ({code})")]
    Refused {
        /// SQLSTATE.
        code: String,
        /// The server's words.
        message: String,
    },
}

/// A connection as the superuser.
pub(super) struct Connection(UnixStream);

impl Connection {
    /// Connects to the socket at `path`, to `database` as `user`.
    pub(super) fn open(path: &Path, user: &str, database: &str) -> Result<Self, StatementError> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut connection = Self(stream);
        let body = startup(user, database);
        connection.0.write_all(&framed(None, &body))?;
        connection.until_ready()?;
        Ok(connection)
    }

    /// Runs `sql` and tells whether it had a row.
    pub(super) fn query(&mut self, sql: &str) -> Result<bool, StatementError> {
        let mut body = sql.as_bytes().to_vec();
        body.push(0);
        self.0.write_all(&framed(Some(b'Q'), &body))?;
        self.until_ready()
    }

    /// Reads up to "ready for query", or the first error.
    fn until_ready(&mut self) -> Result<bool, StatementError> {
        let mut row = false;
        let mut refused = None;
        loop {
            let mut header = [0; 5];
            self.0.read_exact(&mut header)?;
            let [kind, length @ ..] = header;
            let length = (u32::from_be_bytes(length) as usize)
                .checked_sub(4)
                .filter(|length| *length <= MESSAGE_LIMIT)
                .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
            let mut body = vec![0; length];
            self.0.read_exact(&mut body)?;
            match kind {
                b'D' => row = true,
                b'E' => {
                    let error = refusal(&body);
                    // before the first "ready" the server hangs up after it
                    if is_fatal(&body) {
                        return Err(error);
                    }
                    refused = Some(error);
                }
                // anything but "authenticated": it wants a password
                b'R' if body != [0; 4] => {
                    return Err(io::Error::from(io::ErrorKind::PermissionDenied).into());
                }
                b'Z' => return refused.map_or(Ok(row), Err),
                _ => {}
            }
        }
    }
}

fn startup(user: &str, database: &str) -> Vec<u8> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for text in [
        "user",
        user,
        "database",
        database,
        "application_name",
        "region",
    ] {
        body.extend(text.bytes().chain([0]));
    }
    body.push(0);
    body
}

fn framed(kind: Option<u8>, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    kind.into_iter()
        .chain(length.to_be_bytes())
        .chain(body.iter().copied())
        .collect()
}

fn field(body: &[u8], wanted: u8) -> Option<String> {
    body.split(|byte| *byte == 0)
        .find_map(|field| match field.split_first() {
            Some((kind, text)) if *kind == wanted => {
                Some(String::from_utf8_lossy(text).into_owned())
            }
            _ => None,
        })
}

fn is_fatal(body: &[u8]) -> bool {
    field(body, b'V').is_some_and(|severity| severity != "ERROR")
}

fn refusal(body: &[u8]) -> StatementError {
    StatementError::Refused {
        code: field(body, b'C').unwrap_or_default(),
        message: field(body, b'M').unwrap_or_default(),
    }
}

/// `name` as an identifier in SQL.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `text` as a constant in SQL (`standard_conforming_strings` is on).
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_as_the_protocol_has_them() {
        let hello = framed(None, &startup("u", "d"));
        assert_eq!(hello[..8], [0, 0, 0, 51, 0, 3, 0, 0]);
        assert_eq!(framed(Some(b'Q'), b"x\0"), b"Q\0\0\0\x06x\0");
        let body = b"SERROR\0VERROR\0C42710\0Mrole exists\0\0";
        assert_eq!(
            refusal(body).to_string(),
            "the database server refused: role exists (42710)"
        );
        assert!(!is_fatal(body) && is_fatal(b"VFATAL\0\0"));
    }

    #[test]
    fn names_and_texts_cannot_break_out() {
        assert_eq!(identifier("a\"; drop"), "\"a\"\"; drop\"");
        assert_eq!(literal("it's"), "'it''s'");
    }
}
