//! Routes, public addresses and parameters.

use super::{Change, change};

pub(super) fn changes() -> Vec<Change> {
    let everywhere = "0.0.0.0/0";
    vec![
        change(
            "the public subnets' route covers only CloudFront",
            move |d| d.replacing("PublicDefaultRoute", everywhere, "198.51.100.0/26"),
        ),
        change("the public subnets' route covers nobody here", move |d| {
            d.replacing("PublicDefaultRoute", everywhere, "203.0.113.0/24")
        }),
        change("no way out of zone A", |d| d.without("AppDefaultRouteA")),
        change("no way out of zone B, services in both", |d| {
            d.with("DesiredCount", "2").without("AppDefaultRouteB")
        }),
        change("a way out for half the internet", move |d| {
            d.replacing("AppDefaultRouteA", everywhere, "198.51.100.128/25")
        }),
        change("the services' subnet has the main route table", |d| {
            d.without("AppSubnetRouteTableAssociationA")
        }),
        change("a balancer's subnet has the main route table", |d| {
            d.without("PublicSubnetRouteTableAssociationB")
        }),
        change("the services' routes lead to the internet gateway", |d| {
            let nat = "NatGatewayId: !Ref NatGatewayA";
            d.replacing("AppDefaultRouteA", nat, "GatewayId: !Ref InternetGateway")
        }),
        change("the services have public addresses, behind NAT", |d| {
            d.replacing(
                "UsersService",
                "AssignPublicIp: DISABLED",
                "AssignPublicIp: ENABLED",
            )
        }),
        change("the services have public addresses, and a route", |d| {
            let nat = "NatGatewayId: !Ref NatGatewayA";
            d.replacing(
                "UsersService",
                "AssignPublicIp: DISABLED",
                "AssignPublicIp: ENABLED",
            )
            .replacing("AppDefaultRouteA", nat, "GatewayId: !Ref InternetGateway")
        }),
        change("the balancer stands behind NAT", |d| {
            let public = "!Ref PublicSubnetA, !Ref PublicSubnetB";
            d.replacing("LoadBalancer", public, "!Ref AppSubnetA, !Ref AppSubnetB")
        }),
        change("an internal balancer", |d| {
            d.replacing(
                "LoadBalancer",
                "Scheme: internet-facing",
                "Scheme: internal",
            )
        }),
        change("the database is public, without a route", |d| {
            d.replacing(
                "Database",
                "PubliclyAccessible: false",
                "PubliclyAccessible: true",
            )
            .replacing(
                "RdsSecurityGroup",
                "SourceSecurityGroupId: !Ref AppSecurityGroup",
                "CidrIp: 0.0.0.0/0",
            )
        }),
        change("the database is public, with a route", |d| {
            d.replacing(
                "Database",
                "PubliclyAccessible: false",
                "PubliclyAccessible: true",
            )
            .replacing(
                "RdsSecurityGroup",
                "SourceSecurityGroupId: !Ref AppSecurityGroup",
                "CidrIp: 0.0.0.0/0",
            )
            .replacing(
                "DataSubnetRouteTableAssociationA",
                "DataRouteTable",
                "PublicRouteTable",
            )
        }),
        change("S3 through one zone's endpoint only", |d| {
            d.with("DesiredCount", "2")
                .replacing("S3Endpoint", "!Ref AppRouteTableA, ", "")
        }),
        change("S3 through NAT", |d| d.without("S3Endpoint")),
        change("S3 nowhere", |d| {
            d.without("S3Endpoint").without("AppDefaultRouteA")
        }),
        change("no redirect", |d| d.with("HttpRedirect", "false")),
        change("no services", |d| d.with("DesiredCount", "0")),
        change("three of each", |d| d.with("DesiredCount", "3")),
    ]
}
