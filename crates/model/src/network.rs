//! The virtual network: VPCs, subnets, gateways, routes, filters, interfaces.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use cfn::Provenance;
use ipnet::{Ipv4Net, Ipv6Net};

use crate::LogicalId;

/// A virtual private cloud.
#[derive(Clone, Debug)]
pub struct Vpc {
    pub id: LogicalId,
    /// `vpc-…`
    pub vpc_id: String,
    pub cidrs: Vec<Ipv4Net>,
    /// A stand-in where AWS provides the block.
    pub cidr6: Option<Ipv6Net>,
    /// Whether the resolver at base+2 answers at all.
    pub dns_support: bool,
    /// Whether interfaces get host names; private DNS of endpoints needs both.
    pub dns_hostnames: bool,
    pub provenance: Provenance,
}

impl Vpc {
    /// The VPC resolver: the base of the first CIDR plus two.
    /// (VPC User Guide, "DNS attributes for your VPC")
    pub fn resolver(&self) -> Option<Ipv4Addr> {
        let base: u32 = self.cidrs.first()?.network().into();
        Some(Ipv4Addr::from(base + 2))
    }
}

/// A subnet: one availability zone's part of a VPC.
#[derive(Clone, Debug)]
pub struct Subnet {
    pub id: LogicalId,
    /// `subnet-…`
    pub subnet_id: String,
    pub vpc: LogicalId,
    pub cidr: Ipv4Net,
    /// A stand-in where the block is cut from one that AWS provides.
    pub cidr6: Option<Ipv6Net>,
    /// Whether new interfaces get an IPv6 address without asking.
    pub assigns_ipv6: bool,
    /// Zone name such as `ap-northeast-2a`, a stand-in where the template asks AWS.
    pub availability_zone: String,
    pub map_public_ip_on_launch: bool,
    pub provenance: Provenance,
}

/// An internet gateway and the VPC it is attached to.
#[derive(Clone, Debug)]
pub struct InternetGateway {
    pub id: LogicalId,
    /// `igw-…`
    pub gateway_id: String,
    pub vpc: Option<LogicalId>,
    pub provenance: Provenance,
}

/// A NAT gateway; its interface is in [`crate::Model::enis`].
#[derive(Clone, Debug)]
pub struct NatGateway {
    pub id: LogicalId,
    /// `nat-…`
    pub gateway_id: String,
    pub subnet: LogicalId,
    /// The elastic IP it owns; none for a private NAT gateway.
    pub allocation: Option<LogicalId>,
    pub provenance: Provenance,
}

/// A route table with its routes and the subnets that use it.
#[derive(Clone, Debug)]
pub struct RouteTable {
    pub id: LogicalId,
    /// `rtb-…`
    pub route_table_id: String,
    pub vpc: LogicalId,
    /// Beside the local route, which every table has.
    pub routes: Vec<Route>,
    pub subnets: Vec<LogicalId>,
    pub provenance: Provenance,
}

/// One route of a table.
#[derive(Clone, Debug)]
pub struct Route {
    pub destination: Destination,
    pub target: RouteTarget,
    pub provenance: Provenance,
}

/// Where packets of a route are headed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    Cidr(Ipv4Net),
    Cidr6(Ipv6Net),
    /// `pl-…`
    PrefixList(String),
}

/// What a route hands its packets to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteTarget {
    InternetGateway(LogicalId),
    NatGateway(LogicalId),
    /// A gateway endpoint.
    VpcEndpoint(LogicalId),
    Interface(LogicalId),
    /// A target the model does not follow, as the template names it.
    Other(String),
}

/// A network ACL: ordered, stateless rules at a subnet's border.
#[derive(Clone, Debug)]
pub struct NetworkAcl {
    pub id: LogicalId,
    /// `acl-…`
    pub network_acl_id: String,
    pub vpc: LogicalId,
    /// Sorted by rule number within each direction.
    pub entries: Vec<NetworkAclEntry>,
    pub subnets: Vec<LogicalId>,
    pub provenance: Provenance,
}

/// One rule of a network ACL.
#[derive(Clone, Debug)]
pub struct NetworkAclEntry {
    pub rule_number: u16,
    pub egress: bool,
    pub allow: bool,
    pub traffic: Traffic,
    pub cidr: Option<Ipv4Net>,
    pub cidr6: Option<Ipv6Net>,
    pub provenance: Provenance,
}

/// A security group with the rules of all its spellings, inline and stand-alone.
#[derive(Clone, Debug)]
pub struct SecurityGroup {
    pub id: LogicalId,
    /// `sg-…`
    pub group_id: String,
    pub name: String,
    pub vpc: Option<LogicalId>,
    pub ingress: Vec<SecurityGroupRule>,
    pub egress: Vec<SecurityGroupRule>,
    pub provenance: Provenance,
}

/// One rule of a security group: traffic of one kind, from or to one peer.
#[derive(Clone, Debug)]
pub struct SecurityGroupRule {
    /// `sgr-…`
    pub rule_id: String,
    pub traffic: Traffic,
    pub peer: Peer,
    pub description: Option<String>,
    pub provenance: Provenance,
}

/// The far side of a security group rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    Cidr(Ipv4Net),
    Cidr6(Ipv6Net),
    /// `pl-…`
    PrefixList(String),
    SecurityGroup(LogicalId),
    /// A peer outside the template, as it names it.
    Other(String),
}

/// Protocol and ports of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    All,
    Tcp(PortRange),
    Udp(PortRange),
    /// Type and code; `None` is any.
    Icmp(Option<u8>, Option<u8>),
    Icmpv6(Option<u8>, Option<u8>),
    /// Another IP protocol by its number; all of its traffic.
    Other(u8),
}

/// Ports from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortRange {
    pub first: u16,
    pub last: u16,
}

impl PortRange {
    pub const ALL: Self = Self {
        first: 0,
        last: u16::MAX,
    };

    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.first, self.last) {
            (0, u16::MAX) => f.write_str("all"),
            (first, last) if first == last => write!(f, "{first}"),
            (first, last) => write!(f, "{first}-{last}"),
        }
    }
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |part: Option<u8>| part.map_or_else(|| "any".to_owned(), |p| p.to_string());
        match self {
            Self::All => f.write_str("all traffic"),
            Self::Tcp(ports) => write!(f, "tcp {ports}"),
            Self::Udp(ports) => write!(f, "udp {ports}"),
            Self::Icmp(kind, code) => write!(f, "icmp {}/{}", part(*kind), part(*code)),
            Self::Icmpv6(kind, code) => write!(f, "icmpv6 {}/{}", part(*kind), part(*code)),
            Self::Other(number) => write!(f, "protocol {number}"),
        }
    }
}

/// A prefix list: AWS's own, or the template's.
#[derive(Clone, Debug)]
pub struct PrefixList {
    /// `pl-…`
    pub prefix_list_id: String,
    /// `com.amazonaws.…` for AWS-managed ones that are known by id.
    pub name: String,
    /// Known only for lists the template defines.
    pub entries: Option<Vec<Ipv4Net>>,
}

/// An endpoint of a VPC to an AWS service.
#[derive(Clone, Debug)]
pub struct VpcEndpoint {
    pub id: LogicalId,
    /// `vpce-…`
    pub endpoint_id: String,
    pub vpc: LogicalId,
    /// `com.amazonaws.ap-northeast-2.logs`
    pub service_name: String,
    pub kind: VpcEndpointKind,
    /// The endpoint policy as JSON; `None` is full access.
    pub policy: Option<serde_json::Value>,
    pub provenance: Provenance,
}

/// How an endpoint is reached.
#[derive(Clone, Debug)]
pub enum VpcEndpointKind {
    /// One interface per subnet, filtered by security groups.
    Interface {
        subnets: Vec<LogicalId>,
        security_groups: Vec<LogicalId>,
        private_dns: bool,
    },
    /// Prefix-list routes in the listed tables.
    Gateway { route_tables: Vec<LogicalId> },
}

impl VpcEndpoint {
    /// The service's short name: `ecr.api` of `com.amazonaws.ap-northeast-2.ecr.api`.
    pub fn service(&self, region: &str) -> &str {
        let prefix = format!("com.amazonaws.{region}.");
        self.service_name
            .strip_prefix(&prefix)
            .unwrap_or(&self.service_name)
    }
}

/// A stand-in interface id: the owner's logical id, and which of its interfaces.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EniId(pub String);

impl fmt::Display for EniId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EniId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An elastic network interface: where a packet starts or ends.
#[derive(Clone, Debug)]
pub struct Eni {
    pub id: EniId,
    /// `eni-…`
    pub interface_id: String,
    /// The resource that makes AWS create it.
    pub owner: LogicalId,
    pub kind: EniKind,
    pub subnet: LogicalId,
    /// A stand-in from the subnet's range, the same in every run.
    pub address: Ipv4Addr,
    /// The IPv6 address, where it has one; those are always public.
    pub address6: Option<Ipv6Addr>,
    /// Whether AWS gives it a public address or elastic IP.
    pub public: bool,
    /// Empty for interfaces that security groups do not filter: NAT gateways, and
    /// network load balancers without any.
    pub security_groups: Vec<LogicalId>,
}

impl Eni {
    /// Source/destination check: off only where forwarding is the job.
    pub fn source_dest_check(&self) -> bool {
        self.kind != EniKind::NatGateway
    }
}

/// What stands behind an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EniKind {
    LoadBalancer,
    NatGateway,
    Instance,
    Task,
    /// A Lambda function's way into the VPC; it takes no connections.
    Function,
    Database,
    /// A managed service other than a database of RDS.
    Store,
    Endpoint,
}

/// VPC flow logs and where they go.
#[derive(Clone, Debug)]
pub struct FlowLog {
    pub id: LogicalId,
    /// The VPC, subnet or interface that is logged.
    pub resource: Option<LogicalId>,
    /// `ALL`, `ACCEPT` or `REJECT`.
    pub traffic_type: String,
    pub log_group_name: Option<String>,
    pub provenance: Provenance,
}
