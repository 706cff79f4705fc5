//! How is one small document fetched over HTTPS?
//!
//! GET, one connection a request, certificate always verified, body bounded.
//! Enough for a key set read a few times a day.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const TIMEOUT: Duration = Duration::from_secs(4);

/// Why a document could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("`{0}` is not an https URL with a host")]
    Url(Uri),
    #[error("cannot connect")]
    Connect(#[source] std::io::Error),
    #[error("the exchange failed")]
    Exchange(#[from] hyper::Error),
    #[error("the answer was {0}")]
    Status(StatusCode),
    #[error("the answer is cut off or longer than {limit} bytes")]
    Body { limit: usize },
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    Timeout,
}

/// Fetches `uri` and returns its body if the answer is 200 and at most `limit` bytes.
///
/// # Errors
/// Anything else.
pub async fn get(
    tls: &Arc<rustls::ClientConfig>,
    uri: &Uri,
    limit: usize,
) -> Result<Bytes, FetchError> {
    tokio::time::timeout(TIMEOUT, exchange(tls, uri, limit))
        .await
        .unwrap_or(Err(FetchError::Timeout))
}

async fn exchange(
    tls: &Arc<rustls::ClientConfig>,
    uri: &Uri,
    limit: usize,
) -> Result<Bytes, FetchError> {
    let wrong = || FetchError::Url(uri.clone());
    let host = uri
        .host()
        .filter(|_| uri.scheme_str() == Some("https"))
        .ok_or_else(wrong)?;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| wrong())?;
    let socket = TcpStream::connect((host, uri.port_u16().unwrap_or(443)))
        .await
        .map_err(FetchError::Connect)?;
    let stream = TlsConnector::from(Arc::clone(tls))
        .connect(name, socket)
        .await
        .map_err(FetchError::Connect)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // ends when `sender` is dropped below; its error is also the request's
    let driver = tokio::spawn(connection);

    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(
            header::HOST,
            uri.authority().map_or(host, |authority| authority.as_str()),
        )
        .header(header::ACCEPT, "application/json")
        .body(Empty::<Bytes>::new())
        .map_err(|_| wrong())?;
    let response = sender.send_request(request).await?;
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status(response.status()));
    }
    let body = Limited::new(response.into_body(), limit)
        .collect()
        .await
        .map_err(|_| FetchError::Body { limit })?
        .to_bytes();
    drop(sender);
    driver.abort();
    Ok(body)
}
