//! What Systems Manager works with: instances, documents, parameters.

use std::net::Ipv4Addr;

use super::Tags;

/// An EC2 instance. Whether it is managed is said by its agent, not by the seed.
#[derive(Clone, Debug)]
pub struct InstanceSeed {
    /// `i-…`.
    pub id: String,
    /// `ami-…`, or what stands for it.
    pub image_id: String,
    /// `t4g.micro`.
    pub instance_type: String,
    /// `arm64` or `x86_64`.
    pub architecture: String,
    /// The address of its primary interface.
    pub private_ip: Ipv4Addr,
    /// `ip-10-0-10-5.ap-northeast-2.compute.internal`.
    pub private_dns_name: String,
    /// `eni-…`.
    pub interface_id: String,
    /// The interface's hardware address, with colons.
    pub mac: String,
    /// `subnet-…`.
    pub subnet_id: String,
    /// `vpc-…`.
    pub vpc_id: String,
    /// `ap-northeast-2a`.
    pub availability_zone: String,
    /// Id and name.
    pub security_groups: Vec<(String, String)>,
    /// The role its agent signs as.
    pub role_arn: Option<String>,
    /// ARN and id of its instance profile.
    pub instance_profile: Option<(String, String)>,
    /// Resource tags.
    pub tags: Tags,
}

/// An SSM document of the account.
#[derive(Clone, Debug)]
pub struct DocumentSeed {
    /// The name, unique in the account.
    pub name: String,
    /// `Session`, `Command`, …
    pub kind: String,
    /// The document's text, parsed.
    pub content: serde_json::Value,
    /// Resource tags.
    pub tags: Tags,
}

/// A parameter of the Parameter Store, not encrypted.
#[derive(Clone, Debug)]
pub struct ParameterSeed {
    /// The name, with its leading slash if it has one.
    pub name: String,
    /// `String` or `StringList`.
    pub kind: String,
    /// The value.
    pub value: String,
    /// Free text.
    pub description: String,
    /// Resource tags.
    pub tags: Tags,
}
