//! Route tables, their routes, and the subnets that use them.

use cfn::Value;

use crate::reader::{Lowering, Reader};
use crate::{Destination, Model, Route, RouteTable, RouteTarget, VpcEndpointKind};

use super::{in_vpc, subnets_of};

const ROUTE_TABLE: &str = "AWS::EC2::RouteTable";

pub(super) fn lower(lowering: &Lowering<'_>, model: &mut Model) {
    model.route_tables = in_vpc(lowering, ROUTE_TABLE, |properties, id, vpc| RouteTable {
        route_table_id: id.physical,
        vpc,
        routes: Vec::new(),
        subnets: Vec::new(),
        provenance: properties.provenance.clone(),
        id: id.logical,
    });
    for resource in lowering.resources("AWS::EC2::Route") {
        let properties = lowering.reader(resource);
        properties.require(&["RouteTableId"]);
        let table = properties.reference("RouteTableId", &[ROUTE_TABLE]);
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
    let associations = "AWS::EC2::SubnetRouteTableAssociation";
    for (table, subnet) in subnets_of(lowering, associations, "RouteTableId", ROUTE_TABLE) {
        if let Some(table) = model.route_tables.get_mut(&table) {
            table.subnets.push(subnet);
        }
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
    if let Some(value) = route.value("GatewayId") {
        if route
            .lowering
            .referent(value, &["AWS::EC2::VPNGateway"])
            .is_some()
        {
            return Some(unfollowed(route, "GatewayId", value));
        }
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
    Some(unfollowed(route, key, value))
}

fn unfollowed(route: &Reader<'_>, key: &str, value: &Value) -> RouteTarget {
    route.unusable(key, value, "a route target the model does not follow");
    RouteTarget::Other(key.to_owned())
}
