//! Launch templates, launch configurations and Auto Scaling groups.

use std::collections::BTreeMap;

use cfn::Resource;

use crate::reader::{Lowering, Reader};
use crate::{AutoScalingGroup, LaunchTemplate, LocalProgram, LogicalId, MetadataOptions, Model};

use super::elb::ref_text;

const LAUNCH_CONFIGURATION: &str = "AWS::AutoScaling::LaunchConfiguration";

pub(super) fn lower(lowering: &Lowering<'_>, model: &mut Model) {
    for resource in lowering.resources("AWS::EC2::LaunchTemplate") {
        let template = launch_template(lowering, resource);
        model.launch_templates.insert(template.id.clone(), template);
    }
    for resource in lowering.resources(LAUNCH_CONFIGURATION) {
        let configuration = launch_configuration(lowering, resource);
        let id = configuration.id.clone();
        model.launch_templates.insert(id, configuration);
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
        associate_public_ip: None,
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
        let public = interface.flag("AssociatePublicIpAddress");
        template.associate_public_ip = template.associate_public_ip.or(public);
    }
    if let Some(profile) = data.child("IamInstanceProfile") {
        let by_arn = self::profile(&profile, "Arn");
        template.instance_profile = by_arn.or_else(|| self::profile(&profile, "Name"));
    }
    if let Some(options) = data.child("MetadataOptions") {
        options.skip(METADATA_SKIPPED);
        template.metadata_options = metadata_options(&options);
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

/// What of the metadata options changes nothing here.
pub(super) const METADATA_SKIPPED: &[&str] = &["HttpEndpoint", "HttpProtocolIpv6"];

pub(super) fn metadata_options(options: &Reader<'_>) -> MetadataOptions {
    MetadataOptions {
        tokens_required: options.text("HttpTokens").as_deref() == Some("required"),
        hop_limit: options.number("HttpPutResponseHopLimit").unwrap_or(1),
        instance_tags: options.text("InstanceMetadataTags").as_deref() == Some("enabled"),
    }
}

/// The instance profile that a property names or refers to.
pub(super) fn profile(properties: &Reader<'_>, key: &str) -> Option<LogicalId> {
    properties.reference(key, &["AWS::IAM::InstanceProfile"])
}

/// The older way to say how instances of a group are launched.
fn launch_configuration(lowering: &Lowering<'_>, resource: &Resource) -> LaunchTemplate {
    let properties = lowering.reader(resource);
    properties.skip(&[
        "BlockDeviceMappings",
        "ClassicLinkVPCId",
        "ClassicLinkVPCSecurityGroups",
        "EbsOptimized",
        "ImageId",
        "InstanceMonitoring",
        "KernelId",
        "KeyName",
        "LaunchConfigurationName",
        "PlacementTenancy",
        "RamDiskId",
        "SpotPrice",
        "UserData",
    ]);
    let options = properties.child("MetadataOptions");
    LaunchTemplate {
        id: LogicalId::new(&resource.logical_id),
        launch_template_id: ref_text(lowering, &resource.logical_id),
        instance_type: properties.text("InstanceType"),
        security_groups: properties.references("SecurityGroups", &["AWS::EC2::SecurityGroup"]),
        associate_public_ip: properties.flag("AssociatePublicIpAddress"),
        instance_profile: profile(&properties, "IamInstanceProfile"),
        metadata_options: options.map_or_else(MetadataOptions::default, |options| {
            options.skip(METADATA_SKIPPED);
            metadata_options(&options)
        }),
        tags: BTreeMap::new(),
        local: None,
        provenance: properties.provenance.clone(),
    }
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
        "AvailabilityZones",
        "CapacityRebalance",
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
    let launch_template = launch_template_of(properties);
    if properties.value("VPCZoneIdentifier").is_none() {
        let place = "its instances run in the account's default VPC, outside the template";
        properties.absent("VPCZoneIdentifier", place);
    }
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

/// The template, or older configuration, that a group launches from.
fn launch_template_of(properties: &Reader<'_>) -> Option<LogicalId> {
    let specified = |reference: &Reader<'_>| {
        reference.skip(&["Version"]);
        let kinds = ["AWS::EC2::LaunchTemplate"];
        let by_id = reference.reference("LaunchTemplateId", &kinds);
        by_id.or_else(|| reference.reference("LaunchTemplateName", &kinds))
    };
    if let Some(policy) = properties.child("MixedInstancesPolicy") {
        policy.skip(&["InstancesDistribution"]);
        let template = policy.child("LaunchTemplate")?;
        // other types of instance, on the same network
        template.skip(&["Overrides"]);
        return template
            .child("LaunchTemplateSpecification")
            .as_ref()
            .and_then(specified);
    }
    let template = properties.child("LaunchTemplate");
    let template = template.as_ref().and_then(specified);
    template.or_else(|| properties.reference("LaunchConfigurationName", &[LAUNCH_CONFIGURATION]))
}
