//! A stream to an endpoint: by name, past a proxy where one is set, with TLS.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use super::{Proxy, TransportError, proxy};
use crate::config::{Endpoint, Trust};

/// A connection, with or without TLS.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(super) async fn dial(
    endpoint: &Endpoint,
    trust: &Trust,
    proxies: &Proxy,
) -> Result<Box<dyn Stream>, TransportError> {
    let stream = match proxies.of(endpoint) {
        Some(proxy) => {
            let mut stream = connect(&proxy.host, proxy.port).await?;
            proxy::tunnel(&mut stream, proxy, endpoint).await?;
            stream
        }
        None => connect(&endpoint.host, endpoint.port).await?,
    };
    if !endpoint.is_tls {
        return Ok(Box::new(stream));
    }
    let host = endpoint.host.clone();
    let name = ServerName::try_from(host).map_err(|_| TransportError::ServerName {
        host: endpoint.host.clone(),
    })?;
    let connector = TlsConnector::from(Arc::clone(&trust.client_config()?));
    let stream = connector.connect(name, stream).await;
    let stream = stream.map_err(|source| TransportError::Tls {
        origin: endpoint.origin(),
        source,
    })?;
    Ok(Box::new(stream))
}

/// The first of a name's addresses that answers.
async fn connect(host: &str, port: u16) -> Result<TcpStream, TransportError> {
    let addresses = lookup_host((host, port)).await;
    let addresses = addresses.map_err(|source| TransportError::Name {
        host: host.to_owned(),
        source,
    })?;
    let mut refused = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // small frames must not wait for each other
                let _unsupported = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => refused = error,
        }
    }
    Err(TransportError::Connect {
        origin: format!("{host}:{port}"),
        source: refused,
    })
}
