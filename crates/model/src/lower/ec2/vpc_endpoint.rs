//! Endpoints of a VPC to AWS services.

use crate::reader::Lowering;
use crate::{LogicalId, Model, VpcEndpoint, VpcEndpointKind};

use super::own_id;

pub(super) fn lower(lowering: &Lowering<'_>, model: &mut Model) {
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
