//! The answer about one connection.

use std::fmt;

use cfn::Provenance;

use crate::set::{FlowSet, TrafficSet};

/// What of the asked traffic gets there, and why or why not.
#[derive(Clone, Debug)]
pub struct Verdict {
    pub from: String,
    pub to: String,
    pub asked: TrafficSet,
    /// The traffic that passes, with the addresses of whichever side is no
    /// interface. Empty when nothing passes.
    pub accepted: FlowSet,
    /// What let it pass, in the order packets meet it.
    pub hops: Vec<Hop>,
    /// Everything that stands in the way, when nothing passes.
    pub blockers: Vec<Blocker>,
}

impl Verdict {
    pub fn is_accepted(&self) -> bool {
        !self.accepted.is_empty()
    }
}

/// One element that lets traffic pass.
#[derive(Clone, Debug)]
pub struct Hop {
    pub component: String,
    pub text: String,
    pub provenance: Option<Provenance>,
}

/// One element that stops all of the traffic.
#[derive(Clone, Debug)]
pub struct Blocker {
    pub code: Code,
    pub component: String,
    pub text: String,
    /// The rules of the element that come closest, or the element itself.
    pub provenance: Option<Provenance>,
}

/// Why traffic stops, in the words of VPC Reachability Analyzer.
/// ("Reachability Analyzer explanation codes")
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    DisconnectedVpcs,
    Elbv2ListenersMismatch,
    EniSgRulesMismatch,
    IgwPrivateIpAssociationForIngress,
    IgwPublicIpAssociationForEgress,
    MoreSpecificRoute,
    NoPossibleDestination,
    NoRouteToDestination,
    SgHasNoRules,
    SubnetAclRestriction,
    UnassociatedComponent,
    UnsupportedComponent,
    VpceGatewayProtocolRestriction,
    VpceIntraVpcTraffic,
}

impl Code {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DisconnectedVpcs => "DISCONNECTED_VPCS",
            Self::Elbv2ListenersMismatch => "ELBV2_LISTENERS_MISMATCH",
            Self::EniSgRulesMismatch => "ENI_SG_RULES_MISMATCH",
            Self::IgwPrivateIpAssociationForIngress => "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS",
            Self::IgwPublicIpAssociationForEgress => "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS",
            Self::MoreSpecificRoute => "MORE_SPECIFIC_ROUTE",
            Self::NoPossibleDestination => "NO_POSSIBLE_DESTINATION",
            Self::NoRouteToDestination => "NO_ROUTE_TO_DESTINATION",
            Self::SgHasNoRules => "SG_HAS_NO_RULES",
            Self::SubnetAclRestriction => "SUBNET_ACL_RESTRICTION",
            Self::UnassociatedComponent => "UNASSOCIATED_COMPONENT",
            Self::UnsupportedComponent => "UNSUPPORTED_COMPONENT",
            Self::VpceGatewayProtocolRestriction => "VPCE_GATEWAY_PROTOCOL_RESTRICTION",
            Self::VpceIntraVpcTraffic => "VPCE_INTRA_VPC_TRAFFIC",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
