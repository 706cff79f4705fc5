//! What stands ready for a person's programs on the internet: names, trust, and
//! the namespace they enter ([`crate::host::visit`]).

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::Path;
use std::sync::Arc;

use super::board::Board;
use super::fabric::{datagrams, listen};
use crate::blueprint::dns::DnsView;
use crate::dns::{self, Resolver};
use crate::host::netns::Netns;
use crate::host::visit::VisitorPlace;
use crate::plan::addresses::PUBLIC_RESOLVER;
use crate::serve::Stop;
use crate::tls::Authority;

const DNS: u16 = 53;

/// Writes what a visitor sees in place of the host's own files.
///
/// # Errors
///
/// Those of writing.
pub(super) fn place(
    namespace: &Netns,
    directory: &Path,
    authority: &Authority,
) -> io::Result<VisitorPlace> {
    let file = |name: &str, text: String| {
        let path = directory.join(name);
        std::fs::write(&path, text).map(|()| path)
    };
    let resolver = format!("nameserver {PUBLIC_RESOLVER}\noptions timeout:2 attempts:2\n");
    Ok(VisitorPlace {
        namespace: namespace.as_fd().as_raw_fd(),
        resolv_conf: file("resolv.conf", resolver)?,
        // a resolver of the host's, asked over its socket, would answer for the host's internet
        nsswitch_conf: file(
            "nsswitch.conf",
            "passwd: files\ngroup: files\nhosts: files dns\n".to_owned(),
        )?,
        ca_bundle: std::fs::canonicalize(authority.bundle_path())?,
    })
}

/// Answers the internet's names until `stop`, on a thread of the internet.
pub(super) async fn resolve(names: DnsView, board: Arc<Board>, stop: Stop) {
    let sockets = async {
        let udp = datagrams(PUBLIC_RESOLVER, DNS).await?;
        Ok::<_, io::Error>((udp, listen(PUBLIC_RESOLVER, DNS).await?))
    };
    match sockets.await {
        Ok((udp, tcp)) => dns::serve(Resolver::new(names), udp, tcp, stop).await,
        Err(error) => board.notice(format!("the internet has no names: {error}")),
    }
}
