//! How does an HTTP connection become a websocket? RFC 6455's opening, client side.
//!
//! Our own and not the library's: a refusal's body says why, and the library returns
//! only the part of it that happened to come with the head.

use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::Duplex;
use crate::fresh;

/// How long the answer may take.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the rest of a refusal may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
const HEAD_LIMIT_BYTES: usize = 32 << 10;
const BODY_LIMIT_BYTES: usize = 64 << 10;
const HEADERS_LIMIT: usize = 64;

/// What the upgrade itself says; a caller's own are left out.
const OF_THE_UPGRADE: [HeaderName; 5] = [
    header::HOST,
    header::CONNECTION,
    header::UPGRADE,
    header::SEC_WEBSOCKET_VERSION,
    header::SEC_WEBSOCKET_KEY,
];

/// Why a connection did not become a websocket.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// The request names no host, neither as a header nor in its URI.
    #[error("the request for a websocket names no host")]
    NoHost,
    /// The connection broke.
    #[error("the connection broke off before it was a websocket")]
    Io(#[from] io::Error),
    /// No answer in time.
    #[error("no answer to the request for a websocket within {} s", UPGRADE_TIMEOUT.as_secs())]
    Timeout,
    /// What came is no HTTP/1.1 response.
    #[error("the answer to the request for a websocket is not HTTP/1.1")]
    Malformed(#[source] Option<httparse::Error>),
    /// The response has the right status, but not the answer to this request's key.
    #[error("the answer to the request for a websocket is not an upgrade")]
    NotUpgraded,
    /// Another status.
    #[error("the websocket was refused with {status}")]
    Refused {
        /// The response's.
        status: StatusCode,
        /// The response's, as far as it came; services say there why.
        body: Vec<u8>,
    },
}

/// Makes the upgrade; the stream, and what has been read of the first messages.
pub(super) async fn upgrade<S: Duplex>(
    mut stream: S,
    request: &Request<()>,
) -> Result<(S, Vec<u8>), UpgradeError> {
    let key = STANDARD.encode(fresh::random::<16>());
    let head = request_head(request, &key)?;
    let exchange = async {
        stream.write_all(&head).await?;
        stream.flush().await?;
        read_head(&mut stream).await
    };
    let (status, headers, mut rest) = timeout(UPGRADE_TIMEOUT, exchange)
        .await
        .map_err(|_| UpgradeError::Timeout)??;
    if status != StatusCode::SWITCHING_PROTOCOLS {
        // what came of it says enough
        let body = read_body(&mut stream, &headers, &mut rest);
        timeout(BODY_TIMEOUT, body).await.ok();
        rest.truncate(BODY_LIMIT_BYTES);
        return Err(UpgradeError::Refused { status, body: rest });
    }
    let accept = headers.get(header::SEC_WEBSOCKET_ACCEPT);
    let upgrade = headers.get(header::UPGRADE).map(HeaderValue::as_bytes);
    let is_upgraded = upgrade.is_some_and(|value| value.eq_ignore_ascii_case(b"websocket"))
        && accept.is_some_and(|accept| accept == derive_accept_key(key.as_bytes()).as_str());
    if !is_upgraded {
        return Err(UpgradeError::NotUpgraded);
    }
    Ok((stream, rest))
}

fn request_head(request: &Request<()>, key: &str) -> Result<Vec<u8>, UpgradeError> {
    let uri = request.uri();
    let host = request
        .headers()
        .get(header::HOST)
        .map(HeaderValue::as_bytes);
    let host = host.or_else(|| {
        uri.authority()
            .map(|authority| authority.as_str().as_bytes())
    });
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let mut head = format!("GET {target} HTTP/1.1\r\nhost: ").into_bytes();
    head.extend_from_slice(host.ok_or(UpgradeError::NoHost)?);
    head.extend_from_slice(
        format!(
            "\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n"
        )
        .as_bytes(),
    );
    for (name, value) in request.headers() {
        if OF_THE_UPGRADE.contains(name) {
            continue;
        }
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    Ok(head)
}

/// Reads to the end of the response's head, and a bit beyond.
async fn read_head<S: Duplex>(
    stream: &mut S,
) -> Result<(StatusCode, HeaderMap, Vec<u8>), UpgradeError> {
    let mut read = Vec::with_capacity(4096);
    loop {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_LIMIT];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = response.parse(&read);
        match parsed.map_err(|error| UpgradeError::Malformed(Some(error)))? {
            httparse::Status::Complete(length) => {
                let code = response.code.unwrap_or(0);
                let status =
                    StatusCode::from_u16(code).map_err(|_| UpgradeError::Malformed(None))?;
                let headers = owned(response.headers)?;
                return Ok((status, headers, read.split_off(length)));
            }
            httparse::Status::Partial if read.len() < HEAD_LIMIT_BYTES => {}
            httparse::Status::Partial => return Err(UpgradeError::Malformed(None)),
        }
    }
}

fn owned(headers: &[httparse::Header<'_>]) -> Result<HeaderMap, UpgradeError> {
    let mut map = HeaderMap::new();
    for header in headers {
        let name = HeaderName::try_from(header.name);
        let value = HeaderValue::from_bytes(header.value);
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(UpgradeError::Malformed(None));
        };
        map.append(name, value);
    }
    Ok(map)
}

/// Reads a body of stated length, or to the end of the connection.
async fn read_body<S: Duplex>(
    stream: &mut S,
    headers: &HeaderMap,
    body: &mut Vec<u8>,
) -> io::Result<()> {
    let stated = headers.get(header::CONTENT_LENGTH);
    let stated = stated.and_then(|length| length.to_str().ok()?.parse().ok());
    let wanted = stated.unwrap_or(BODY_LIMIT_BYTES).min(BODY_LIMIT_BYTES);
    while body.len() < wanted && stream.read_buf(body).await? > 0 {}
    Ok(())
}
