//! VPC, subnets, gateways, routes, network ACLs, endpoints, flow logs.

use ipnet::Ipv6Net;

use crate::reader::{Lowering, Reader};
use crate::{
    Destination, FlowLog, InternetGateway, LogicalId, Model, NatGateway, NetworkAcl,
    NetworkAclEntry, PrefixList, Route, RouteTable, RouteTarget, Subnet, Vpc, VpcEndpoint,
    VpcEndpointKind,
};

use super::security_group::{protocol, report_ports, traffic};

/// AWS-managed prefix lists that templates name by id. The id differs per
/// region (VPC User Guide, "AWS-managed prefix lists").
const MANAGED_PREFIX_LISTS: &[(&str, &str)] = &[
    (
        "pl-22a6434b",
        "com.amazonaws.global.cloudfront.origin-facing",
    ),
    ("pl-78a54011", "com.amazonaws.ap-northeast-2.s3"),
    ("pl-48a54021", "com.amazonaws.ap-northeast-2.dynamodb"),
    (
        "pl-3b927c52",
        "com.amazonaws.global.cloudfront.origin-facing",
    ),
    ("pl-63a5400a", "com.amazonaws.us-east-1.s3"),
];

pub(super) fn lower(lowering: &Lowering<'_>, model: &mut Model) {
    vpcs(lowering, model);
    subnets(lowering, model);
    internet_gateways(lowering, model);
    nat_gateways(lowering, model);
    prefix_lists(lowering, model);
    endpoints(lowering, model);
    route_tables(lowering, model);
    network_acls(lowering, model);
    flow_logs(lowering, model);
}

fn vpcs(lowering: &Lowering<'_>, model: &mut Model) {
    for resource in lowering.resources("AWS::EC2::VPC") {
        let properties = lowering.reader(resource);
        properties.skip(&["Tags", "InstanceTenancy"]);
        let id = LogicalId::new(&resource.logical_id);
        let cidr = properties.parsed("CidrBlock", "not a CIDR block", |text| text.parse().ok());
        let vpc = Vpc {
            vpc_id: own_id(lowering, &id),
            cidrs: cidr.into_iter().collect(),
            cidr6: None,
            dns_support: properties.flag("EnableDnsSupport").unwrap_or(true),
            dns_hostnames: properties.flag("EnableDnsHostnames").unwrap_or(false),
            provenance: properties.provenance.clone(),
            id: id.clone(),
        };
        model.vpcs.insert(id, vpc);
    }
    for (index, resource) in lowering.resources("AWS::EC2::VPCCidrBlock").enumerate() {
        let properties = lowering.reader(resource);
        properties.skip(&["Ipv6CidrBlockNetworkBorderGroup"]);
        let vpc = properties.reference("VpcId", &["AWS::EC2::VPC"]);
        let more = properties.parsed("CidrBlock", "not a CIDR block", |text| {
            text.parse::<ipnet::Ipv4Net>().ok()
        });
        let provided = properties.flag("AmazonProvidedIpv6CidrBlock") == Some(true);
        let Some(vpc) = vpc.and_then(|id| model.vpcs.get_mut(&id)) else {
            continue;
        };
        vpc.cidrs.extend(more);
        if provided {
            // What AWS would provide: a /56, here of the documentation range (RFC 3849).
            let base = (0x2001_0db8_u128 << 96) | (u128::try_from(index).unwrap_or(0) << 72);
            vpc.cidr6 = Ipv6Net::new(base.into(), 56).ok();
        }
    }
}

fn subnets(lowering: &Lowering<'_>, model: &mut Model) {
    for (index, resource) in lowering.resources("AWS::EC2::Subnet").enumerate() {
        let properties = lowering.reader(resource);
        properties.skip(&["Tags"]);
        properties.require(&["VpcId", "CidrBlock"]);
        let id = LogicalId::new(&resource.logical_id);
        let zone = properties.text("AvailabilityZone");
        let vpc = properties.reference("VpcId", &["AWS::EC2::VPC"]);
        let cidr = properties.parsed("CidrBlock", "not a CIDR block", |text| text.parse().ok());
        let public = properties.flag("MapPublicIpOnLaunch").unwrap_or(false);
        let assigns_ipv6 = properties
            .flag("AssignIpv6AddressOnCreation")
            .unwrap_or(false);
        let (Some(vpc), Some(cidr)) = (vpc, cidr) else {
            continue;
        };
        let cidr6 = properties.value("Ipv6CidrBlock").and_then(|value| {
            let literal = value.as_text().and_then(|text| text.parse().ok());
            literal.or_else(|| nth_block(model.vpcs.get(&vpc)?.cidr6?, index))
        });
        // Without a zone AWS picks one; alternate, as it tends to.
        let letter = if index % 2 == 0 { 'a' } else { 'b' };
        let subnet = Subnet {
            subnet_id: own_id(lowering, &id),
            vpc,
            cidr,
            cidr6,
            assigns_ipv6,
            availability_zone: zone.unwrap_or_else(|| format!("{}{letter}", lowering.stack.region)),
            map_public_ip_on_launch: public,
            provenance: properties.provenance.clone(),
            id: id.clone(),
        };
        model.subnets.insert(id, subnet);
    }
}

/// The n-th /64 of a VPC's block: a stand-in for the one a function cuts.
fn nth_block(vpc: Ipv6Net, index: usize) -> Option<Ipv6Net> {
    let base: u128 = vpc.network().into();
    let index = u128::try_from(index % 256).ok()?;
    Ipv6Net::new((base | (index << 64)).into(), 64).ok()
}

fn internet_gateways(lowering: &Lowering<'_>, model: &mut Model) {
    for resource in lowering.resources("AWS::EC2::InternetGateway") {
        let properties = lowering.reader(resource);
        properties.skip(&["Tags"]);
        let id = LogicalId::new(&resource.logical_id);
        let gateway = InternetGateway {
            gateway_id: own_id(lowering, &id),
            vpc: None,
            provenance: properties.provenance.clone(),
            id: id.clone(),
        };
        model.internet_gateways.insert(id, gateway);
    }
    for resource in lowering.resources("AWS::EC2::VPCGatewayAttachment") {
        let properties = lowering.reader(resource);
        let vpc = properties.reference("VpcId", &["AWS::EC2::VPC"]);
        let gateway = properties.reference("InternetGatewayId", &["AWS::EC2::InternetGateway"]);
        if let Some(gateway) = gateway.and_then(|id| model.internet_gateways.get_mut(&id)) {
            gateway.vpc = vpc;
        }
    }
}

fn nat_gateways(lowering: &Lowering<'_>, model: &mut Model) {
    for resource in lowering.resources("AWS::EC2::EIP") {
        lowering.reader(resource).skip(&["Tags", "Domain"]);
    }
    for resource in lowering.resources("AWS::EC2::NatGateway") {
        let properties = lowering.reader(resource);
        properties.skip(&["Tags", "ConnectivityType"]);
        properties.require(&["SubnetId"]);
        let id = LogicalId::new(&resource.logical_id);
        let allocation = properties.reference("AllocationId", &["AWS::EC2::EIP"]);
        let subnet = properties.reference("SubnetId", &["AWS::EC2::Subnet"]);
        let Some(subnet) = subnet else { continue };
        let gateway = NatGateway {
            gateway_id: own_id(lowering, &id),
            subnet,
            allocation,
            provenance: properties.provenance.clone(),
            id: id.clone(),
        };
        model.nat_gateways.insert(id, gateway);
    }
}

fn prefix_lists(lowering: &Lowering<'_>, model: &mut Model) {
    for (id, name) in MANAGED_PREFIX_LISTS {
        let list = PrefixList {
            prefix_list_id: (*id).to_owned(),
            name: (*name).to_owned(),
            entries: None,
        };
        model.prefix_lists.insert((*id).to_owned(), list);
    }
    for resource in lowering.resources("AWS::EC2::PrefixList") {
        let properties = lowering.reader(resource);
        properties.skip(&["Tags", "MaxEntries", "AddressFamily"]);
        let prefix_list_id = own_id(lowering, &LogicalId::new(&resource.logical_id));
        let entries = properties.children("Entries");
        let entries = entries.iter().filter_map(|entry| {
            entry.skip(&["Description"]);
            entry.parsed("Cidr", "not a CIDR block", |text| text.parse().ok())
        });
        let list = PrefixList {
            name: properties.text("PrefixListName").unwrap_or_default(),
            entries: Some(entries.collect()),
            prefix_list_id: prefix_list_id.clone(),
        };
        model.prefix_lists.insert(prefix_list_id, list);
    }
}

fn endpoints(lowering: &Lowering<'_>, model: &mut Model) {
    for resource in lowering.resources("AWS::EC2::VPCEndpoint") {
        let properties = lowering.reader(resource);
        properties.skip(&["Tags", "IpAddressType", "DnsOptions"]);
        properties.require(&["VpcId", "ServiceName"]);
        let id = LogicalId::new(&resource.logical_id);
        let vpc = properties.reference("VpcId", &["AWS::EC2::VPC"]);
        let kind = match properties.text("VpcEndpointType").as_deref() {
            Some("Interface") => VpcEndpointKind::Interface {
                subnets: properties.references("SubnetIds", &["AWS::EC2::Subnet"]),
                security_groups: properties
                    .references("SecurityGroupIds", &["AWS::EC2::SecurityGroup"]),
                private_dns: properties.flag("PrivateDnsEnabled").unwrap_or(false),
            },
            _ => VpcEndpointKind::Gateway {
                route_tables: properties.references("RouteTableIds", &["AWS::EC2::RouteTable"]),
            },
        };
        let policy = properties.json("PolicyDocument");
        let service_name = properties.text("ServiceName");
        let (Some(vpc), Some(service_name)) = (vpc, service_name) else {
            continue;
        };
        let endpoint = VpcEndpoint {
            endpoint_id: own_id(lowering, &id),
            vpc,
            service_name,
            kind,
            policy,
            provenance: properties.provenance.clone(),
            id: id.clone(),
        };
        model.vpc_endpoints.insert(id, endpoint);
    }
}

fn route_tables(lowering: &Lowering<'_>, model: &mut Model) {
    for resource in lowering.resources("AWS::EC2::RouteTable") {
        let properties = lowering.reader(resource);
        properties.skip(&["Tags"]);
        properties.require(&["VpcId"]);
        let id = LogicalId::new(&resource.logical_id);
        let Some(vpc) = properties.reference("VpcId", &["AWS::EC2::VPC"]) else {
            continue;
        };
        let table = RouteTable {
            route_table_id: own_id(lowering, &id),
            vpc,
            routes: Vec::new(),
            subnets: Vec::new(),
            provenance: properties.provenance.clone(),
            id: id.clone(),
        };
        model.route_tables.insert(id, table);
    }
    for resource in lowering.resources("AWS::EC2::Route") {
        let properties = lowering.reader(resource);
        properties.require(&["RouteTableId"]);
        let table = properties.reference("RouteTableId", &["AWS::EC2::RouteTable"]);
        let route = destination(&properties).zip(target(&properties));
        let Some(table) = table.and_then(|id| model.route_tables.get_mut(&id)) else {
            continue;
        };
        if let Some((destination, target)) = route {
            let provenance = properties.provenance.clone();
            table.routes.push(Route {
                destination,
                target,
                provenance,
            });
        }
    }
    for resource in lowering.resources("AWS::EC2::SubnetRouteTableAssociation") {
        let properties = lowering.reader(resource);
        let table = properties.reference("RouteTableId", &["AWS::EC2::RouteTable"]);
        let subnet = properties.reference("SubnetId", &["AWS::EC2::Subnet"]);
        let Some(table) = table.and_then(|id| model.route_tables.get_mut(&id)) else {
            continue;
        };
        table.subnets.extend(subnet);
    }
    gateway_endpoint_routes(model);
}

/// A gateway endpoint adds a prefix-list route to each of its tables.
/// (VPC User Guide, "Gateway endpoints")
fn gateway_endpoint_routes(model: &mut Model) {
    for endpoint in model.vpc_endpoints.values() {
        let VpcEndpointKind::Gateway { route_tables } = &endpoint.kind else {
            continue;
        };
        let suffix = endpoint.service_name.as_str();
        let list = model.prefix_lists.values().find(|list| list.name == suffix);
        // A service whose list id is not known here keeps its own name.
        let list = list.map_or_else(|| suffix.to_owned(), |list| list.prefix_list_id.clone());
        for table in route_tables {
            if let Some(table) = model.route_tables.get_mut(table) {
                table.routes.push(Route {
                    destination: Destination::PrefixList(list.clone()),
                    target: RouteTarget::VpcEndpoint(endpoint.id.clone()),
                    provenance: endpoint.provenance.clone(),
                });
            }
        }
    }
}

fn destination(route: &Reader<'_>) -> Option<Destination> {
    let v4 = route.parsed("DestinationCidrBlock", "not a CIDR block", |text| {
        text.parse().ok()
    });
    let v6 = route.parsed(
        "DestinationIpv6CidrBlock",
        "not an IPv6 CIDR block",
        |text| text.parse().ok(),
    );
    let list = route.text("DestinationPrefixListId");
    route.require_one_of(&[
        "DestinationCidrBlock",
        "DestinationIpv6CidrBlock",
        "DestinationPrefixListId",
    ]);
    v4.map(Destination::Cidr)
        .or(v6.map(Destination::Cidr6))
        .or(list.map(Destination::PrefixList))
}

fn target(route: &Reader<'_>) -> Option<RouteTarget> {
    if route.value("GatewayId").is_some() {
        return route
            .reference("GatewayId", &["AWS::EC2::InternetGateway"])
            .map(RouteTarget::InternetGateway);
    }
    if route.value("NatGatewayId").is_some() {
        return route
            .reference("NatGatewayId", &["AWS::EC2::NatGateway"])
            .map(RouteTarget::NatGateway);
    }
    const OTHERS: &[&str] = &[
        "CarrierGatewayId",
        "EgressOnlyInternetGatewayId",
        "InstanceId",
        "LocalGatewayId",
        "NetworkInterfaceId",
        "TransitGatewayId",
        "VpcEndpointId",
        "VpcPeeringConnectionId",
    ];
    let other = OTHERS.iter().find_map(|key| Some((key, route.value(key)?)));
    let Some((key, value)) = other else {
        route.require_one_of(&["GatewayId", "NatGatewayId"]);
        return None;
    };
    route.unusable(key, value, "a route target the model does not follow");
    Some(RouteTarget::Other((*key).to_owned()))
}

fn network_acls(lowering: &Lowering<'_>, model: &mut Model) {
    for resource in lowering.resources("AWS::EC2::NetworkAcl") {
        let properties = lowering.reader(resource);
        properties.skip(&["Tags"]);
        properties.require(&["VpcId"]);
        let id = LogicalId::new(&resource.logical_id);
        let Some(vpc) = properties.reference("VpcId", &["AWS::EC2::VPC"]) else {
            continue;
        };
        let acl = NetworkAcl {
            network_acl_id: own_id(lowering, &id),
            vpc,
            entries: Vec::new(),
            subnets: Vec::new(),
            provenance: properties.provenance.clone(),
            id: id.clone(),
        };
        model.network_acls.insert(id, acl);
    }
    for resource in lowering.resources("AWS::EC2::NetworkAclEntry") {
        let properties = lowering.reader(resource);
        properties.require(&["NetworkAclId", "Protocol", "RuleAction", "RuleNumber"]);
        let acl = properties.reference("NetworkAclId", &["AWS::EC2::NetworkAcl"]);
        let entry = network_acl_entry(&properties);
        let Some(acl) = acl.and_then(|id| model.network_acls.get_mut(&id)) else {
            continue;
        };
        acl.entries.extend(entry);
    }
    for resource in lowering.resources("AWS::EC2::SubnetNetworkAclAssociation") {
        let properties = lowering.reader(resource);
        let acl = properties.reference("NetworkAclId", &["AWS::EC2::NetworkAcl"]);
        let subnet = properties.reference("SubnetId", &["AWS::EC2::Subnet"]);
        let Some(acl) = acl.and_then(|id| model.network_acls.get_mut(&id)) else {
            continue;
        };
        acl.subnets.extend(subnet);
    }
    for acl in model.network_acls.values_mut() {
        acl.entries
            .sort_by_key(|entry| (entry.egress, entry.rule_number));
    }
}

fn network_acl_entry(properties: &Reader<'_>) -> Option<NetworkAclEntry> {
    let cidr = properties.parsed("CidrBlock", "not a CIDR block", |text| text.parse().ok());
    let cidr6 = properties.parsed("Ipv6CidrBlock", "not an IPv6 CIDR block", |text| {
        text.parse().ok()
    });
    let ports = properties.child("PortRange");
    let icmp = properties.child("Icmp");
    let (from, to) = match (&ports, &icmp) {
        (Some(ports), _) => (ports.number("From"), ports.number("To")),
        (None, Some(icmp)) => (icmp.number("Type"), icmp.number("Code")),
        (None, None) => (None, None),
    };
    let protocol = properties.parsed("Protocol", "not a protocol", protocol)?;
    let traffic = traffic(protocol, from, to);
    if traffic.is_none() {
        report_ports(properties, &["PortRange", "Protocol"]);
    }
    let action = properties.text("RuleAction");
    Some(NetworkAclEntry {
        rule_number: properties.number("RuleNumber")?,
        egress: properties.flag("Egress").unwrap_or(false),
        allow: action.is_some_and(|action| action.eq_ignore_ascii_case("allow")),
        traffic: traffic?,
        cidr,
        cidr6,
        provenance: properties.provenance.clone(),
    })
}

fn flow_logs(lowering: &Lowering<'_>, model: &mut Model) {
    for resource in lowering.resources("AWS::EC2::FlowLog") {
        let properties = lowering.reader(resource);
        properties.skip(&[
            "DeliverLogsPermissionArn",
            "LogDestinationType",
            "LogFormat",
            "MaxAggregationInterval",
            "ResourceType",
            "Tags",
        ]);
        let id = LogicalId::new(&resource.logical_id);
        let group = properties.text("LogGroupName");
        let destination = properties.text("LogDestination");
        let destination =
            destination.and_then(|arn| Some(arn.split_once(":log-group:")?.1.to_owned()));
        let log = FlowLog {
            resource: properties.reference("ResourceId", &["AWS::EC2::VPC", "AWS::EC2::Subnet"]),
            traffic_type: properties
                .text("TrafficType")
                .unwrap_or_else(|| "ALL".to_owned()),
            log_group_name: group
                .or(destination.map(|name| name.trim_end_matches(":*").to_owned())),
            provenance: properties.provenance.clone(),
            id: id.clone(),
        };
        model.flow_logs.insert(id, log);
    }
}

fn own_id(lowering: &Lowering<'_>, id: &LogicalId) -> String {
    lowering
        .resolve(&cfn::Symbol::Ref(id.to_string()))
        .unwrap_or_default()
}
