//! A resolver on its sockets.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

use super::{Resolver, Transport};
use crate::serve::Stop;

/// Longest silence on a TCP connection (RFC 7766 §6.2.3).
const TCP_IDLE: Duration = Duration::from_secs(10);
/// Most TCP connections at once; further ones wait.
const MAX_CONNECTIONS: usize = 256;

/// Answers on both sockets until `stop`.
pub async fn serve(resolver: Arc<Resolver>, udp: UdpSocket, tcp: TcpListener, mut stop: Stop) {
    let mut connections = JoinSet::new();
    let mut packet = vec![0; usize::from(u16::MAX)];
    loop {
        tokio::select! {
            () = stop.stopped() => return,
            received = udp.recv_from(&mut packet) => {
                // an error here is about an earlier answer (nobody took it)
                let Ok((length, peer)) = received else { continue };
                if let Some(answer) = resolver.answer(peer.ip(), &packet[..length], Transport::Udp) {
                    let _gone = udp.send_to(&answer, peer).await;
                }
            }
            accepted = tcp.accept(), if connections.len() < MAX_CONNECTIONS => {
                if let Ok((stream, _)) = accepted {
                    let resolver = Arc::clone(&resolver);
                    connections.spawn(async move {
                        let _ended = serve_stream(&resolver, stream).await;
                    });
                }
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
}

async fn serve_stream(resolver: &Resolver, mut stream: TcpStream) -> io::Result<()> {
    let source = stream.peer_addr()?.ip();
    loop {
        let length = tokio::time::timeout(TCP_IDLE, stream.read_u16()).await??;
        let mut packet = vec![0; usize::from(length)];
        tokio::time::timeout(TCP_IDLE, stream.read_exact(&mut packet)).await??;
        let Some(answer) = resolver.answer(source, &packet, Transport::Tcp) else {
            return Ok(());
        };
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        let mut framed = length.to_be_bytes().to_vec();
        framed.extend_from_slice(&answer);
        stream.write_all(&framed).await?;
    }
}
