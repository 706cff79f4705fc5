//! Launch templates and Auto Scaling groups.

use std::collections::BTreeMap;

use cfn::Resource;

use crate::reader::{Lowering, Reader};
use crate::{AutoScalingGroup, LaunchTemplate, LocalProgram, LogicalId, MetadataOptions, Model};

use super::elb::ref_text;

pub(super) fn lower(lowering: &Lowering<'_>, model: &mut Model) {
    for resource in lowering.resources("AWS::EC2::LaunchTemplate") {
        let template = launch_template(lowering, resource);
        model.launch_templates.insert(template.id.clone(), template);
    }
    for resource in lowering.resources("AWS::AutoScaling::AutoScalingGroup") {
        let group = group(lowering, &lowering.reader(resource), &resource.logical_id);
        model.auto_scaling_groups.insert(group.id.clone(), group);
    }
}

fn launch_template(lowering: &Lowering<'_>, resource: &Resource) -> LaunchTemplate {
    let properties = lowering.reader(resource);
    properties.skip(&[
        "LaunchTemplateName",
        "TagSpecifications",
        "VersionDescription",
    ]);
    let mut template = LaunchTemplate {
        id: LogicalId::new(&resource.logical_id),
        launch_template_id: ref_text(lowering, &resource.logical_id),
        instance_type: None,
        security_groups: Vec::new(),
        associate_public_ip: false,
        instance_profile: None,
        metadata_options: MetadataOptions::default(),
        tags: BTreeMap::new(),
        local: local_program(lowering, resource),
        provenance: properties.provenance.clone(),
    };
    let Some(data) = properties.child("LaunchTemplateData") else {
        return template;
    };
    data.skip(&[
        "BlockDeviceMappings",
        "CreditSpecification",
        "DisableApiTermination",
        "EbsOptimized",
        "ImageId",
        "MaintenanceOptions",
        "Monitoring",
        "PrivateDnsNameOptions",
        "UserData",
    ]);
    template.instance_type = data.text("InstanceType");
    template.security_groups = data.references("SecurityGroupIds", &["AWS::EC2::SecurityGroup"]);
    for interface in data.children("NetworkInterfaces") {
        interface.skip(&[
            "DeleteOnTermination",
            "DeviceIndex",
            "Description",
            "InterfaceType",
        ]);
        template
            .security_groups
            .extend(interface.references("Groups", &["AWS::EC2::SecurityGroup"]));
        template.associate_public_ip |= interface.flag("AssociatePublicIpAddress").unwrap_or(false);
    }
    if let Some(profile) = data.child("IamInstanceProfile") {
        let kinds = ["AWS::IAM::InstanceProfile"];
        template.instance_profile = profile
            .reference("Arn", &kinds)
            .or(profile.reference("Name", &kinds));
    }
    if let Some(options) = data.child("MetadataOptions") {
        options.skip(&["HttpEndpoint", "HttpProtocolIpv6"]);
        template.metadata_options = MetadataOptions {
            tokens_required: options.text("HttpTokens").as_deref() == Some("required"),
            hop_limit: options.number("HttpPutResponseHopLimit").unwrap_or(1),
            instance_tags: options.text("InstanceMetadataTags").as_deref() == Some("enabled"),
        };
    }
    for specification in data.children("TagSpecifications") {
        let is_instance = specification.text("ResourceType").as_deref() == Some("instance");
        let tags = specification.tags("Tags");
        if is_instance {
            template.tags = tags;
        }
    }
    template
}

/// `Metadata: Kickytime::Local`, the one place where a template speaks of
/// running here.
fn local_program(lowering: &Lowering<'_>, resource: &Resource) -> Option<LocalProgram> {
    let value = resource.metadata.as_ref()?.get("Kickytime::Local")?;
    let local = Reader::new(
        lowering,
        "Kickytime::Local",
        value,
        value.provenance.clone(),
    );
    let environment = local.child("Environment");
    let environment = environment.as_ref().map(|reader| {
        let entries = reader.entries().into_iter();
        entries
            .filter_map(|(key, value)| Some((key.to_owned(), lowering.text(value)?)))
            .collect()
    });
    Some(LocalProgram {
        image: local.text("Image")?,
        command: local.texts("Command"),
        port: local.number("Port"),
        log_group: local.text("LogGroup"),
        environment: environment.unwrap_or_default(),
    })
}

fn group(lowering: &Lowering<'_>, properties: &Reader<'_>, id: &str) -> AutoScalingGroup {
    properties.skip(&[
        "AutoScalingGroupName",
        "Cooldown",
        "DefaultInstanceWarmup",
        "HealthCheckGracePeriod",
        "InstanceMaintenancePolicy",
        "MaxInstanceLifetime",
        "MetricsCollection",
        "NewInstancesProtectedFromScaleIn",
        "NotificationConfigurations",
        "ServiceLinkedRoleARN",
        "Tags",
        "TerminationPolicies",
    ]);
    let launch_template = properties.child("LaunchTemplate").and_then(|reference| {
        reference.skip(&["Version"]);
        let kinds = ["AWS::EC2::LaunchTemplate"];
        let by_id = reference.reference("LaunchTemplateId", &kinds);
        by_id.or_else(|| reference.reference("LaunchTemplateName", &kinds))
    });
    let min_size = properties.number("MinSize").unwrap_or(0);
    AutoScalingGroup {
        id: LogicalId::new(id),
        name: ref_text(lowering, id),
        launch_template,
        subnets: properties.references("VPCZoneIdentifier", &["AWS::EC2::Subnet"]),
        min_size,
        max_size: properties.number("MaxSize").unwrap_or(min_size),
        desired_capacity: properties.number("DesiredCapacity").unwrap_or(min_size),
        target_groups: properties.references(
            "TargetGroupARNs",
            &["AWS::ElasticLoadBalancingV2::TargetGroup"],
        ),
        health_check_type: properties
            .text("HealthCheckType")
            .unwrap_or_else(|| "EC2".to_owned()),
        provenance: properties.provenance.clone(),
    }
}
