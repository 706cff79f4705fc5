//! Lambda functions: the role they run as, and their way into a VPC.
//!
//! Lambda makes one interface for each subnet and set of groups, shared by
//! all that run at once; nothing can connect to it.
//! (Lambda Developer Guide, "Giving Lambda functions access to resources in a VPC")

use crate::reader::Lowering;
use crate::{Function, LogicalId, Model};

use super::elb::{attribute_text, ref_text};

pub(super) fn lower(lowering: &Lowering<'_>, model: &mut Model) {
    for resource in lowering.resources("AWS::Lambda::Function") {
        let properties = lowering.reader(resource);
        properties.skip(&[
            "Architectures",
            "Code",
            "CodeSigningConfigArn",
            "DeadLetterConfig",
            "Description",
            "EphemeralStorage",
            "Handler",
            "ImageConfig",
            "KmsKeyArn",
            "Layers",
            "LoggingConfig",
            "MemorySize",
            "PackageType",
            "RecursiveLoop",
            "ReservedConcurrentExecutions",
            "Runtime",
            "RuntimeManagementConfig",
            "SnapStart",
            "Tags",
            "Timeout",
            "TracingConfig",
        ]);
        let network = properties.child("VpcConfig");
        if let Some(network) = &network {
            network.skip(&["Ipv6AllowedForDualStack"]);
        }
        let listed = |key: &str, kind: &str| {
            let network = network.as_ref();
            network.map(|network| network.references(key, &[kind]))
        };
        let variables = properties.child("Environment");
        let variables = variables.and_then(|environment| environment.child("Variables"));
        let variables = variables.map(|variables| {
            let entries = variables.entries().into_iter();
            entries
                .filter_map(|(key, value)| Some((key.to_owned(), lowering.spelled(value)?)))
                .collect()
        });
        let id = LogicalId::new(&resource.logical_id);
        let function = Function {
            arn: attribute_text(lowering, &resource.logical_id, "Arn"),
            name: ref_text(lowering, &resource.logical_id),
            role: properties.reference("Role", &["AWS::IAM::Role"]),
            subnets: listed("SubnetIds", "AWS::EC2::Subnet").unwrap_or_default(),
            security_groups: listed("SecurityGroupIds", "AWS::EC2::SecurityGroup")
                .unwrap_or_default(),
            environment: variables.unwrap_or_default(),
            provenance: properties.provenance.clone(),
            id: id.clone(),
        };
        model.functions.insert(id, function);
    }
}
