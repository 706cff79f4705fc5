//! What an instance is told about itself.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde_json::{Value, json};

/// The versions of the tree that are served; all are the same.
pub(super) const VERSIONS: [&str; 3] = ["2021-07-15", "2024-11-27", "latest"];

/// One instance, as plain data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceFacts {
    /// `i-…`.
    pub instance_id: String,
    /// `ami-…`.
    pub image_id: String,
    /// `t4g.micro`.
    pub instance_type: String,
    /// `arm64` or `x86_64`.
    pub architecture: String,
    /// The address of its primary interface; how it is recognised.
    pub local_ipv4: Ipv4Addr,
    /// `ip-10-0-10-5.ap-northeast-2.compute.internal`.
    pub local_hostname: String,
    /// Its hardware address, with colons.
    pub mac: String,
    /// `eni-…`.
    pub interface_id: String,
    /// Id and name.
    pub security_groups: BTreeMap<String, String>,
    /// `subnet-…`.
    pub subnet_id: String,
    /// The subnet's addresses.
    pub subnet_cidr: Ipv4Net,
    /// `vpc-…`.
    pub vpc_id: String,
    /// The VPC's addresses.
    pub vpc_cidr: Ipv4Net,
    /// `ap-northeast-2a`.
    pub availability_zone: String,
    /// `ap-northeast-2`.
    pub region: String,
    /// Twelve digits.
    pub account_id: String,
    /// Its role, if it has an instance profile.
    pub profile: Option<InstanceProfile>,
    /// `UserData`, decoded.
    pub user_data: Option<String>,
    /// Its tags, if `InstanceMetadataTags` is enabled.
    pub tags: Option<BTreeMap<String, String>>,
    /// `HttpEndpoint`.
    pub endpoint_enabled: bool,
    /// `HttpTokens` is `required`.
    pub token_required: bool,
    /// `HttpPutResponseHopLimit`, 1 to 64.
    pub hop_limit: u8,
}

/// An instance profile and its role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceProfile {
    /// `arn:aws:iam::ACCOUNT:instance-profile/NAME`.
    pub arn: String,
    /// `AIPA…`.
    pub id: String,
    /// `arn:aws:iam::ACCOUNT:role/NAME`.
    pub role_arn: String,
}

impl InstanceProfile {
    fn role_name(&self) -> &str {
        self.role_arn.rsplit('/').next().unwrap_or_default()
    }
}

/// The end of a path.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Leaf {
    Text(String),
    Json(Value),
    Credentials { role_arn: String },
}

impl InstanceFacts {
    /// Every path under a version, with what stands there.
    pub(super) fn leaves(&self) -> BTreeMap<String, Leaf> {
        let mut leaves = BTreeMap::new();
        let mut text = |path: &str, value: &str| {
            leaves.insert(format!("meta-data/{path}"), Leaf::Text(value.to_owned()));
        };
        let names = self
            .security_groups
            .values()
            .cloned()
            .collect::<Vec<_>>()
            .join("\n");
        let ids = self
            .security_groups
            .keys()
            .cloned()
            .collect::<Vec<_>>()
            .join("\n");
        text("ami-id", &self.image_id);
        text("ami-launch-index", "0");
        text("hostname", &self.local_hostname);
        text("instance-action", "none");
        text("instance-id", &self.instance_id);
        text("instance-life-cycle", "on-demand");
        text("instance-type", &self.instance_type);
        text("local-hostname", &self.local_hostname);
        text("local-ipv4", &self.local_ipv4.to_string());
        text("mac", &self.mac);
        text("placement/availability-zone", &self.availability_zone);
        text("placement/region", &self.region);
        text("security-groups", &names);
        text("services/domain", "amazonaws.com");
        text("services/partition", "aws");
        for (tag, value) in self.tags.iter().flatten() {
            text(&format!("tags/instance/{tag}"), value);
        }
        let mut of_interface = |path: &str, value: &str| {
            text(
                &format!("network/interfaces/macs/{}/{path}", self.mac),
                value,
            );
        };
        of_interface("device-number", "0");
        of_interface("interface-id", &self.interface_id);
        of_interface("local-hostname", &self.local_hostname);
        of_interface("local-ipv4s", &self.local_ipv4.to_string());
        of_interface("mac", &self.mac);
        of_interface("owner-id", &self.account_id);
        of_interface("security-group-ids", &ids);
        of_interface("security-groups", &names);
        of_interface("subnet-id", &self.subnet_id);
        of_interface("subnet-ipv4-cidr-block", &self.subnet_cidr.to_string());
        of_interface("vpc-id", &self.vpc_id);
        of_interface("vpc-ipv4-cidr-block", &self.vpc_cidr.to_string());
        of_interface("vpc-ipv4-cidr-blocks", &self.vpc_cidr.to_string());
        self.add_profile(&mut leaves);
        leaves.insert(
            "dynamic/instance-identity/document".to_owned(),
            Leaf::Json(self.identity()),
        );
        if let Some(user_data) = &self.user_data {
            leaves.insert("user-data".to_owned(), Leaf::Text(user_data.clone()));
        }
        leaves
    }

    fn add_profile(&self, leaves: &mut BTreeMap<String, Leaf>) {
        let Some(profile) = &self.profile else { return };
        let info = json!({
            "Code": "Success",
            "InstanceProfileArn": profile.arn,
            "InstanceProfileId": profile.id,
        });
        leaves.insert("meta-data/iam/info".to_owned(), Leaf::Json(info));
        leaves.insert(
            format!("meta-data/iam/security-credentials/{}", profile.role_name()),
            Leaf::Credentials {
                role_arn: profile.role_arn.clone(),
            },
        );
    }

    fn identity(&self) -> Value {
        json!({
            "accountId": self.account_id,
            "architecture": self.architecture,
            "availabilityZone": self.availability_zone,
            "imageId": self.image_id,
            "instanceId": self.instance_id,
            "instanceType": self.instance_type,
            "privateIp": self.local_ipv4,
            "region": self.region,
            "version": "2017-09-30",
        })
    }
}
