//! A fresh connection to an endpoint.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use super::{Endpoint, PoolOptions, UpstreamError};
use crate::serve::Body;

/// Connects, and starts the task that drives the connection until it ends.
pub(super) async fn dial(
    endpoint: &Endpoint,
    options: &PoolOptions,
    tls: Option<&Arc<ClientConfig>>,
) -> Result<SendRequest<Body>, UpstreamError> {
    let address = endpoint.address;
    let limit = options.connect_timeout;
    tokio::time::timeout(limit, async {
        let stream = connect(address, options)
            .await
            .map_err(|source| UpstreamError::Connect { address, source })?;
        match &endpoint.tls_name {
            None => handshake(stream, address).await,
            Some(name) => {
                let stream =
                    secure(stream, name, tls)
                        .await
                        .map_err(|source| UpstreamError::Tls {
                            address,
                            name: name.clone(),
                            source,
                        })?;
                handshake(stream, address).await
            }
        }
    })
    .await
    .unwrap_or(Err(UpstreamError::ConnectTimeout { address, limit }))
}

async fn connect(address: SocketAddr, options: &PoolOptions) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    if let Some(source) = options.source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn secure(
    stream: TcpStream,
    name: &str,
    tls: Option<&Arc<ClientConfig>>,
) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
    let config = tls.ok_or_else(|| io::Error::other("this pool was given no TLS settings"))?;
    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    TlsConnector::from(Arc::clone(config))
        .connect(name, stream)
        .await
}

async fn handshake<S>(stream: S, address: SocketAddr) -> Result<SendRequest<Body>, UpstreamError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|source| UpstreamError::Response { address, source })?;
    tokio::spawn(async move {
        // how it ended shows in the exchange, if there was one
        let _ended = connection.with_upgrades().await;
    });
    Ok(sender)
}
