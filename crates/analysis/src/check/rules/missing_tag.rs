//! Resources without the tag that the others go by.
//!
//! ## What it does
//! Finds the tags that at least three quarters of the taggable resources carry with one value, and the
//! resources that lack them.
//!
//! ## Why is this bad
//! Policies that go by `aws:ResourceTag` deny what is not tagged, and bills leave it out.
//!
//! ## Example
//! One log group without `Project`, in a stack where everything else has it.
//!
//! ## Use instead
//! The tag on every resource that takes tags.
//!
//! ## References
//! - IAM User Guide, "Controlling access to AWS resources using tags"

use std::collections::BTreeMap;

use super::super::{Facts, Finding};
use crate::access::resource_tags;

/// Types that take tags and that templates of this shape use.
const TAGGABLE: &[&str] = &[
    "AWS::CertificateManager::Certificate",
    "AWS::CloudFront::Distribution",
    "AWS::EC2::EIP",
    "AWS::EC2::InternetGateway",
    "AWS::EC2::NatGateway",
    "AWS::EC2::NetworkAcl",
    "AWS::EC2::RouteTable",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::Subnet",
    "AWS::EC2::VPC",
    "AWS::EC2::VPCEndpoint",
    "AWS::ECR::Repository",
    "AWS::ECS::Cluster",
    "AWS::ECS::Service",
    "AWS::ECS::TaskDefinition",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "AWS::ElasticLoadBalancingV2::TargetGroup",
    "AWS::IAM::Role",
    "AWS::KMS::Key",
    "AWS::Logs::LogGroup",
    "AWS::RDS::DBInstance",
    "AWS::S3::Bucket",
    "AWS::SNS::Topic",
    "AWS::SecretsManager::Secret",
];

pub(super) fn run(facts: &Facts<'_>) -> Vec<Finding> {
    let resources: Vec<_> = facts
        .model
        .stack
        .resources
        .values()
        .filter(|resource| TAGGABLE.contains(&resource.resource_type.as_str()))
        .map(|resource| (resource, resource_tags(facts.model, &resource.logical_id)))
        .collect();
    let mut common: BTreeMap<(&String, &String), usize> = BTreeMap::new();
    for (_, tags) in &resources {
        for tag in tags {
            *common.entry(tag).or_default() += 1;
        }
    }
    let mut findings = Vec::new();
    for ((key, value), count) in common {
        if count < 4 || count * 4 < resources.len() * 3 {
            continue;
        }
        for (resource, tags) in &resources {
            if tags.get(key) != Some(value) {
                let message = format!("{} has no tag {key}={value}", resource.logical_id);
                findings.push(Finding::at(&resource.provenance.0, message));
            }
        }
    }
    findings
}
