//! What a CloudFront distribution does, as data; and the door a browser on the host uses.
//!
//! Policies (cache, origin request, response headers) and functions stand here
//! as what they come to; `plan` refuses what does not fit. How the parts behave
//! is `proxy::edge`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::balancer::TlsVersions;

/// One distribution.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// `d111111abcdef8.cloudfront.net`.
    pub domain_name: String,
    /// Other names it answers to, covered by its certificate.
    pub aliases: Vec<String>,
    /// `MinimumProtocolVersion`.
    pub versions: TlsVersions,
    /// `HttpVersion` includes HTTP/2.
    pub http2: bool,
    /// Where objects come from.
    pub origins: BTreeMap<OriginId, Origin>,
    /// In the order of the template: the first whose pattern fits is taken.
    pub behaviors: Vec<CacheBehavior>,
    /// Taken when none fits; its pattern is `*`.
    pub default_behavior: CacheBehavior,
    /// `DefaultRootObject`, without leading `/`.
    pub default_root_object: Option<String>,
    /// `CustomErrorResponses` by the origin's status.
    pub error_responses: BTreeMap<u16, ErrorResponse>,
    /// The point of presence that is named in answers: `ICN57-P1`.
    pub point_of_presence: String,
}

/// The id of an origin in its distribution.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OriginId(pub String);

/// Where objects come from: always over verified TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The name that is looked up, verified, and (unless the viewer's is) sent as `Host`.
    pub domain_name: String,
    /// `HTTPSPort`.
    pub port: u16,
    /// Put before every path, without last `/`.
    pub path: String,
    /// Custom header fields, such as the secret one that proves where a request comes from.
    pub custom_headers: Vec<(String, SecretText)>,
    /// Longest wait for a connection, all attempts together.
    pub connect_timeout: Duration,
    /// Longest wait for the response and between two pieces of it.
    pub read_timeout: Duration,
    /// How long an unused connection is kept.
    pub keep_alive: Duration,
    /// Signs requests (origin access control, "always"); `None` sends them as they are.
    pub signing: Option<OriginSigning>,
}

/// Origin access control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginSigning {
    /// The bucket's region.
    pub region: String,
    /// `s3`.
    pub service: String,
}

/// A text nobody should read in a log: `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(pub String);

impl fmt::Debug for SecretText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretText(…)")
    }
}

/// What is done with requests of one path pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheBehavior {
    /// `*` any run, `?` one character; case-sensitive; with or without leading `/`.
    pub path_pattern: String,
    /// Where its objects come from.
    pub origin: OriginId,
    /// What happens to plain HTTP.
    pub viewer_protocol: ViewerProtocol,
    /// `AllowedMethods`; others get 403.
    pub allowed_methods: BTreeSet<String>,
    /// What is kept and for how long.
    pub cache: CachePolicy,
    /// What of the viewer's request goes to the origin.
    pub origin_request: OriginRequest,
    /// Fields put into every response.
    pub response_headers: Vec<ResponseHeader>,
    /// A viewer-request function.
    pub viewer_request: Option<ViewerRequestFunction>,
}

/// `ViewerProtocolPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewerProtocol {
    /// Served like HTTPS.
    AllowAll,
    /// 301 to HTTPS (307 for methods other than GET and HEAD).
    RedirectToHttps,
    /// 403.
    HttpsOnly,
}

/// A cache policy. `max_ttl` zero is `CachingDisabled`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CachePolicy {
    /// Shortest time an object is kept, whatever the origin says.
    pub min_ttl: Duration,
    /// When the origin says nothing.
    pub default_ttl: Duration,
    /// Longest time an object is kept, whatever the origin says.
    pub max_ttl: Duration,
    /// Whether the query string is part of the key (and so goes to the origin).
    pub query_in_key: bool,
}

impl CachePolicy {
    /// The managed policy `CachingDisabled`.
    pub const DISABLED: Self = Self {
        min_ttl: Duration::ZERO,
        default_ttl: Duration::ZERO,
        max_ttl: Duration::ZERO,
        query_in_key: false,
    };
    /// The managed policy `CachingOptimized`, without compression.
    pub const OPTIMIZED: Self = Self {
        min_ttl: Duration::from_secs(1),
        default_ttl: Duration::from_secs(86_400),
        max_ttl: Duration::from_secs(31_536_000),
        query_in_key: false,
    };
}

/// An origin request policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginRequest {
    /// None: only what is in the cache key.
    KeyOnly,
    /// The managed policy `AllViewer`.
    AllViewer,
    /// The managed policy `AllViewerExceptHostHeader`.
    AllViewerExceptHost,
}

/// A field of a response headers policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseHeader {
    /// The field's name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Whether it replaces the origin's own.
    pub overrides: bool,
}

/// The functions the edge knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewerRequestFunction {
    /// A path whose last segment has no `.` is a page of a single-page
    /// application: `/index.html` is asked for instead.
    PageToIndex,
}

/// A custom error response: another object in place of the origin's error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorResponse {
    /// The object, with leading `/`.
    pub page_path: String,
    /// The status it is sent with.
    pub status: u16,
}

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
