//! Instances of their own, their interfaces, and the elastic IPs that make
//! those public.
//!
//! An interface comes with the instance, or is a resource that one names or
//! that is attached to one. (EC2 User Guide, "Elastic network interfaces")

use std::collections::{BTreeMap, BTreeSet};

use cfn::Resource;

use crate::reader::{Lowering, Reader};
use crate::{Instance, LaunchTemplate, LogicalId, Model, NetworkInterface};

use super::autoscaling::{METADATA_SKIPPED, metadata_options, profile};
use super::elb::ref_text;

const INSTANCE: &[&str] = &["AWS::EC2::Instance"];
const INTERFACE: &[&str] = &["AWS::EC2::NetworkInterface"];
const GROUP: &[&str] = &["AWS::EC2::SecurityGroup"];
const SUBNET: &[&str] = &["AWS::EC2::Subnet"];
const DEFAULT_VPC: &str = "it runs in the account's default VPC, outside the template";

pub(super) fn lower(lowering: &Lowering<'_>, model: &mut Model) {
    let public = with_elastic_ip(lowering);
    let mut free = network_interfaces(lowering);
    let mut attached = attachments(lowering);
    for resource in lowering.resources("AWS::EC2::Instance") {
        let id = LogicalId::new(&resource.logical_id);
        let mut instance = instance(lowering, resource, model, &mut free);
        let later = attached.remove(&id).unwrap_or_default();
        let later = later.iter().filter_map(|id| free.remove(id));
        instance.interfaces.extend(later);
        model.instances.insert(id, instance);
    }
    for instance in model.instances.values_mut() {
        for (index, interface) in instance.interfaces.iter_mut().enumerate() {
            let is_first = index == 0 && public.contains(&instance.id);
            give_address(interface, is_first, &public);
        }
    }
    for interface in free.values_mut() {
        give_address(interface, false, &public);
    }
    // nothing of the template uses these: they wait for something that will
    model.network_interfaces = free;
}

/// An elastic IP is given to an interface, or to an instance's first one.
fn give_address(interface: &mut NetworkInterface, is_meant: bool, public: &BTreeSet<LogicalId>) {
    let named = interface.resource.as_ref();
    if is_meant || named.is_some_and(|resource| public.contains(resource)) {
        interface.public = Some(true);
    }
}

/// The instances and interfaces that an elastic IP is given to.
fn with_elastic_ip(lowering: &Lowering<'_>) -> BTreeSet<LogicalId> {
    let mut public = BTreeSet::new();
    for resource in lowering.resources("AWS::EC2::EIP") {
        let properties = lowering.reader(resource);
        properties.skip(&["Domain", "NetworkBorderGroup", "PublicIpv4Pool", "Tags"]);
        public.extend(properties.reference("InstanceId", INSTANCE));
    }
    for resource in lowering.resources("AWS::EC2::EIPAssociation") {
        let properties = lowering.reader(resource);
        properties.skip(&["AllocationId", "EIP", "PrivateIpAddress"]);
        properties.require_one_of(&["InstanceId", "NetworkInterfaceId"]);
        public.extend(properties.reference("InstanceId", INSTANCE));
        public.extend(properties.reference("NetworkInterfaceId", INTERFACE));
    }
    public
}

fn network_interfaces(lowering: &Lowering<'_>) -> BTreeMap<LogicalId, NetworkInterface> {
    let mut found = BTreeMap::new();
    for resource in lowering.resources("AWS::EC2::NetworkInterface") {
        let properties = lowering.reader(resource);
        properties.skip(&["Description", "InterfaceType", "SourceDestCheck", "Tags"]);
        properties.require(&["SubnetId"]);
        let subnet = properties.reference("SubnetId", SUBNET);
        let id = LogicalId::new(&resource.logical_id);
        let interface = NetworkInterface {
            resource: Some(id.clone()),
            security_groups: properties.references("GroupSet", GROUP),
            address: address(&properties),
            // only an elastic IP makes it public
            public: Some(false),
            subnet: match subnet {
                Some(subnet) => subnet,
                None => continue,
            },
        };
        found.insert(id, interface);
    }
    found
}

fn attachments(lowering: &Lowering<'_>) -> BTreeMap<LogicalId, Vec<LogicalId>> {
    let mut attached: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for resource in lowering.resources("AWS::EC2::NetworkInterfaceAttachment") {
        let properties = lowering.reader(resource);
        properties.skip(&["DeleteOnTermination", "DeviceIndex"]);
        let instance = properties.reference("InstanceId", INSTANCE);
        let interface = properties.reference("NetworkInterfaceId", INTERFACE);
        if let Some((instance, interface)) = instance.zip(interface) {
            attached.entry(instance).or_default().push(interface);
        }
    }
    attached
}

fn instance(
    lowering: &Lowering<'_>,
    resource: &Resource,
    model: &Model,
    free: &mut BTreeMap<LogicalId, NetworkInterface>,
) -> Instance {
    let properties = lowering.reader(resource);
    properties.skip(&[
        "Affinity",
        "AvailabilityZone",
        "BlockDeviceMappings",
        "CpuOptions",
        "CreditSpecification",
        "DisableApiTermination",
        "EbsOptimized",
        "ImageId",
        "InstanceInitiatedShutdownBehavior",
        "KernelId",
        "KeyName",
        "Monitoring",
        "PlacementGroupName",
        "PrivateDnsNameOptions",
        "PropagateTagsToVolumeOnCreation",
        "RamdiskId",
        "SourceDestCheck",
        "Tags",
        "Tenancy",
        "UserData",
        "Volumes",
    ]);
    let template = template(&properties, model);
    let options = properties.child("MetadataOptions");
    let from_template = template.map(|template| template.metadata_options);
    Instance {
        id: LogicalId::new(&resource.logical_id),
        instance_id: ref_text(lowering, &resource.logical_id),
        instance_type: properties
            .text("InstanceType")
            .or_else(|| template?.instance_type.clone()),
        interfaces: interfaces(&properties, template, free),
        instance_profile: profile(&properties, "IamInstanceProfile")
            .or_else(|| template?.instance_profile.clone()),
        metadata_options: options.map_or(from_template.unwrap_or_default(), |options| {
            options.skip(METADATA_SKIPPED);
            metadata_options(&options)
        }),
        provenance: properties.provenance.clone(),
    }
}

fn template<'m>(properties: &Reader<'_>, model: &'m Model) -> Option<&'m LaunchTemplate> {
    let reference = properties.child("LaunchTemplate")?;
    reference.skip(&["Version"]);
    let kinds = ["AWS::EC2::LaunchTemplate"];
    let by_id = reference.reference("LaunchTemplateId", &kinds);
    let id = by_id.or_else(|| reference.reference("LaunchTemplateName", &kinds))?;
    model.launch_templates.get(&id)
}

/// Interfaces are listed one by one, or the instance has one by its own
/// `SubnetId` and groups.
fn interfaces(
    properties: &Reader<'_>,
    template: Option<&LaunchTemplate>,
    free: &mut BTreeMap<LogicalId, NetworkInterface>,
) -> Vec<NetworkInterface> {
    let mut listed = properties.children("NetworkInterfaces");
    if !listed.is_empty() {
        listed.sort_by_key(|interface| interface.number("DeviceIndex").unwrap_or(0_u32));
        let found = listed.iter().filter_map(|interface| own(interface, free));
        return found.collect();
    }
    let mut groups = properties.references("SecurityGroupIds", GROUP);
    groups.extend(properties.references("SecurityGroups", GROUP));
    let from_template = template.map(|template| template.security_groups.clone());
    if groups.is_empty() {
        groups = from_template.unwrap_or_default();
    }
    let address = address(properties);
    if properties.value("SubnetId").is_none() {
        properties.absent("SubnetId", DEFAULT_VPC);
    }
    let Some(subnet) = properties.reference("SubnetId", SUBNET) else {
        return Vec::new();
    };
    vec![NetworkInterface {
        resource: None,
        subnet,
        security_groups: groups,
        address,
        public: template.and_then(|template| template.associate_public_ip),
    }]
}

/// An entry of `NetworkInterfaces`: a resource of the template, or one made here.
fn own(
    entry: &Reader<'_>,
    free: &mut BTreeMap<LogicalId, NetworkInterface>,
) -> Option<NetworkInterface> {
    entry.skip(&["DeleteOnTermination", "Description", "DeviceIndex"]);
    let public = entry.flag("AssociatePublicIpAddress");
    if entry.value("NetworkInterfaceId").is_some() {
        let resource = entry.reference("NetworkInterfaceId", INTERFACE)?;
        return free.remove(&resource);
    }
    let security_groups = entry.references("GroupSet", GROUP);
    let address = address(entry);
    if entry.value("SubnetId").is_none() {
        entry.absent("SubnetId", DEFAULT_VPC);
    }
    Some(NetworkInterface {
        resource: None,
        subnet: entry.reference("SubnetId", SUBNET)?,
        security_groups,
        address,
        public,
    })
}

fn address(properties: &Reader<'_>) -> Option<std::net::Ipv4Addr> {
    properties.parsed("PrivateIpAddress", "not an IPv4 address", |text| {
        text.parse().ok()
    })
}
