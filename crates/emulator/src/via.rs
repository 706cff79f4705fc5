//! Which door did a request come by? The part of its circumstances that only the network knows.

use std::net::IpAddr;

use iam::PolicyDocument;

/// The way a request took to the emulator.
#[derive(Clone, Debug)]
pub struct Via {
    /// The caller's address: `aws:SourceIp`, or `aws:VpcSourceIp` behind an endpoint.
    pub source_ip: IpAddr,
    /// Whether no one could read it on the way: TLS, or the host's own loopback door.
    /// `aws:SecureTransport`.
    pub secure: bool,
    /// The VPC endpoint it came through, if any.
    pub endpoint: Option<VpcEndpointVia>,
}

/// The VPC endpoint a request came through.
#[derive(Clone, Debug)]
pub struct VpcEndpointVia {
    /// `vpce-…`: `aws:SourceVpce`.
    pub id: String,
    /// `vpc-…`: `aws:SourceVpc`.
    pub vpc_id: String,
    /// The service it leads to, the last labels of its service name: `secretsmanager`, `ecr.api`.
    pub service: String,
    /// The endpoint policy; `None` is AWS's default, full access.
    pub policy: Option<PolicyDocument>,
}

impl Via {
    /// A request from a public address, or from the host itself, over a safe way.
    pub fn direct(source_ip: IpAddr) -> Self {
        Self {
            source_ip,
            secure: true,
            endpoint: None,
        }
    }
}
