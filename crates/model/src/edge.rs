//! The edge: CloudFront distributions, public names, certificates.

use cfn::Provenance;

use crate::{CertificateReference, LogicalId};

/// A CloudFront distribution.
#[derive(Clone, Debug)]
pub struct Distribution {
    pub id: LogicalId,
    /// `E…`
    pub distribution_id: String,
    pub arn: String,
    /// `d….cloudfront.net`
    pub domain_name: String,
    pub aliases: Vec<String>,
    pub default_root_object: Option<String>,
    pub origins: Vec<Origin>,
    /// In the template's order; the default behaviour is apart.
    pub behaviors: Vec<CacheBehavior>,
    pub default_behavior: CacheBehavior,
    pub error_responses: Vec<ErrorResponse>,
    pub viewer_certificate: Option<CertificateReference>,
    /// `TLSv1.2_2021` and so on.
    pub minimum_protocol_version: Option<String>,
    /// `http2and3` and so on.
    pub http_version: String,
    pub provenance: Provenance,
}

/// Where a distribution fetches from.
#[derive(Clone, Debug)]
pub struct Origin {
    pub name: String,
    pub domain_name: String,
    pub path: String,
    /// Header name and value; a value may be a dynamic reference to a secret.
    pub custom_headers: Vec<(String, String)>,
    pub kind: OriginKind,
    pub provenance: Provenance,
}

/// What kind of server an origin is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginKind {
    S3 {
        bucket: Option<LogicalId>,
        access_control: Option<LogicalId>,
    },
    Custom {
        /// `https-only`, `http-only`, `match-viewer`.
        protocol_policy: String,
        http_port: u16,
        https_port: u16,
        read_timeout_s: u32,
        keepalive_timeout_s: u32,
    },
}

/// What the edge does with requests whose path matches.
#[derive(Clone, Debug)]
pub struct CacheBehavior {
    /// `*` for the default behaviour.
    pub path_pattern: String,
    /// An origin's name.
    pub target_origin: String,
    /// `https-only`, `redirect-to-https`, `allow-all`.
    pub viewer_protocol_policy: String,
    pub allowed_methods: Vec<String>,
    /// Managed policy id, or the text of a reference.
    pub cache_policy: Option<String>,
    pub origin_request_policy: Option<String>,
    pub response_headers_policy: Option<PolicyReference>,
    pub compress: bool,
    /// Event type (`viewer-request`) and function.
    pub functions: Vec<(String, LogicalId)>,
    pub provenance: Provenance,
}

/// A policy of the template, or a managed one by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyReference {
    Local(LogicalId),
    Managed(String),
}

/// What viewers get instead of an origin's error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorResponse {
    pub error_code: u16,
    pub response_code: Option<u16>,
    pub response_page_path: Option<String>,
    pub error_caching_min_ttl_s: Option<u32>,
}

/// How the edge signs requests to an origin.
#[derive(Clone, Debug)]
pub struct OriginAccessControl {
    pub id: LogicalId,
    pub origin_type: String,
    pub signing_behavior: String,
    pub provenance: Provenance,
}

/// Headers the edge adds to responses, in order of name.
#[derive(Clone, Debug)]
pub struct ResponseHeadersPolicy {
    pub id: LogicalId,
    pub policy_id: String,
    /// Name, value, and whether it replaces the origin's own.
    pub headers: Vec<(String, String, bool)>,
    pub remove_headers: Vec<String>,
    pub provenance: Provenance,
}

/// A CloudFront function.
#[derive(Clone, Debug)]
pub struct EdgeFunction {
    pub id: LogicalId,
    pub arn: String,
    pub code: String,
    pub provenance: Provenance,
}

/// A DNS record of the template.
#[derive(Clone, Debug)]
pub struct RecordSet {
    pub id: LogicalId,
    /// Without the trailing dot.
    pub name: String,
    pub record_type: String,
    /// Plain values, or the alias's host name.
    pub values: Vec<String>,
    pub alias: bool,
    pub provenance: Provenance,
}

/// A certificate of AWS Certificate Manager.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub id: LogicalId,
    pub arn: String,
    /// The domain name and every alternative name.
    pub names: Vec<String>,
    pub provenance: Provenance,
}
