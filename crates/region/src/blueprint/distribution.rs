//! What a CloudFront distribution does, as data; and the door a browser on the host uses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// The door on the host: where its requests may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewerDoor {
    /// The public name that stands behind `localhost` itself.
    pub site: String,
    /// Where every name that may be asked for is reached over HTTPS, the site's included.
    ///
    /// A name other than the site's is `http://NAME.localhost:PORT` for the browser.
    pub names: BTreeMap<String, SocketAddr>,
    /// Paths of the site whose (small, textual) bodies speak of public names and
    /// are rewritten like header fields, for example `/config.json`.
    pub rewritten_paths: BTreeSet<String>,
}
