//! One thing a packet must get past, how much of the traffic does, and how
//! people are told.

use cfn::Provenance;
use model::{
    Eni, LogicalId, NatGateway, NetworkAcl, NetworkAclEntry, Peer, RouteTable, RouteTarget,
    SecurityGroup, SecurityGroupRule, VpcEndpoint,
};

use super::network::Network;
use super::route::Way;
use super::verdict::{Blocker, Code, Hop};
use crate::set::{Flow, FlowSet};

/// A gate with what it lets pass of the asked traffic.
#[derive(Debug)]
pub(super) struct Gate<'a> {
    pub(super) kind: GateKind<'a>,
    pub(super) admits: FlowSet,
    /// Which of its elements let which part pass.
    pub(super) by: Vec<(Flow, Element<'a>)>,
}

/// What sort of gate.
#[derive(Debug)]
pub(super) enum GateKind<'a> {
    SecurityGroups {
        eni: &'a Eni,
        egress: bool,
    },
    Acl {
        subnet: &'a LogicalId,
        acl: Option<&'a NetworkAcl>,
        egress: bool,
        reply: bool,
    },
    Route {
        subnet: &'a LogicalId,
        table: Option<&'a RouteTable>,
        way: Way<'a>,
        reply: bool,
    },
    InternetGateway {
        eni: &'a Eni,
        ingress: bool,
        attached: Option<&'a LogicalId>,
    },
    Nat {
        gateway: &'a NatGateway,
        fault: Option<&'static str>,
    },
    GatewayEndpoint(&'a VpcEndpoint),
    /// Interfaces of different VPCs.
    Vpcs,
    /// No address family in common, or no interface at the destination.
    Addresses {
        name: String,
    },
}

/// The element of a gate that let something pass.
#[derive(Clone, Copy, Debug)]
pub(super) enum Element<'a> {
    Rule(&'a SecurityGroup, &'a SecurityGroupRule),
    Entry(&'a NetworkAclEntry),
}

impl<'a> Gate<'a> {
    /// A gate that lets all of `space` pass, or none of it.
    pub(super) fn all_or_none(kind: GateKind<'a>, opens: bool, space: &FlowSet) -> Self {
        let admits = if opens {
            space.clone()
        } else {
            FlowSet::none()
        };
        Self {
            kind,
            admits,
            by: Vec::new(),
        }
    }

    /// The lines of the answer about what passed here; nothing for gates not worth a word.
    pub(super) fn hops(&self, network: &Network<'_>, passed: &FlowSet) -> Vec<Hop> {
        let component = self.component(network);
        let used = self.by.iter().filter(|(flow, _)| {
            passed
                .iter()
                .any(|passed| !passed.intersection(flow).is_empty())
        });
        let mut hops: Vec<Hop> = used
            .map(|(_, element)| Hop {
                component: component.clone(),
                text: element.text(network, self.egress()),
                provenance: Some(element.provenance().clone()),
            })
            .collect();
        if hops.is_empty()
            && let Some((text, provenance)) = self.word(network)
        {
            hops.push(Hop {
                component,
                text,
                provenance,
            });
        }
        hops
    }

    /// Why nothing of the asked traffic gets past, or only some.
    pub(super) fn blocker(&self, network: &Network<'_>, asked: &FlowSet) -> Blocker {
        let (code, text) = self.refusal(network, asked);
        Blocker {
            code,
            component: self.component(network),
            text,
            provenance: self.place(network),
        }
    }

    fn egress(&self) -> bool {
        match self.kind {
            GateKind::SecurityGroups { egress, .. } | GateKind::Acl { egress, .. } => egress,
            _ => true,
        }
    }

    fn component(&self, network: &Network<'_>) -> String {
        match &self.kind {
            GateKind::SecurityGroups { eni, .. } => {
                let groups: Vec<_> = eni.security_groups.iter().map(LogicalId::as_str).collect();
                groups.join(" + ")
            }
            GateKind::Acl { acl, subnet, .. } => acl.map_or_else(
                || format!("default network ACL of {subnet}"),
                |acl| acl.id.to_string(),
            ),
            GateKind::Route { table, subnet, .. } => table.map_or_else(
                || format!("main route table of {subnet}"),
                |table| table.id.to_string(),
            ),
            GateKind::InternetGateway { eni, attached, .. } => attached.map_or_else(
                || {
                    let vpc = network.vpc_of(&eni.subnet).map(|vpc| vpc.id.to_string());
                    vpc.unwrap_or_default()
                },
                ToString::to_string,
            ),
            GateKind::Nat { gateway, .. } => gateway.id.to_string(),
            GateKind::GatewayEndpoint(endpoint) => endpoint.id.to_string(),
            GateKind::Vpcs => "VPCs".to_owned(),
            GateKind::Addresses { name } => name.clone(),
        }
    }

    fn word(&self, network: &Network<'_>) -> Option<(String, Option<Provenance>)> {
        match &self.kind {
            GateKind::Route {
                way: Way::Route(route),
                subnet,
                reply: false,
                ..
            } => {
                let text = format!("sends it from {subnet} to {}", target_name(&route.target));
                Some((text, Some(route.provenance.clone())))
            }
            GateKind::InternetGateway {
                eni,
                ingress,
                attached: Some(gateway),
            } => {
                let way = if *ingress { "from" } else { "to" };
                let text = format!("{way} the internet: {} has a public address", eni.id);
                let gateway = network.model.internet_gateways.get(*gateway);
                Some((text, gateway.map(|gateway| gateway.provenance.clone())))
            }
            GateKind::Nat { gateway, .. } => Some((
                "translates to its own public address; nobody can connect the other way".to_owned(),
                Some(gateway.provenance.clone()),
            )),
            GateKind::GatewayEndpoint(endpoint) => Some((
                format!("takes it to {}", endpoint.service_name),
                Some(endpoint.provenance.clone()),
            )),
            _ => None,
        }
    }

    fn place(&self, network: &Network<'_>) -> Option<Provenance> {
        match &self.kind {
            GateKind::SecurityGroups { eni, .. } => {
                let group = eni.security_groups.first().and_then(|id| network.group(id));
                group.map(|group| group.provenance.clone())
            }
            GateKind::Acl { acl, subnet, .. } => {
                acl.map(|acl| acl.provenance.clone()).or_else(|| {
                    network
                        .subnet(subnet)
                        .map(|subnet| subnet.provenance.clone())
                })
            }
            GateKind::Route {
                way: Way::Route(route),
                ..
            } => Some(route.provenance.clone()),
            GateKind::Route { table, subnet, .. } => {
                table.map(|table| table.provenance.clone()).or_else(|| {
                    network
                        .subnet(subnet)
                        .map(|subnet| subnet.provenance.clone())
                })
            }
            GateKind::InternetGateway { eni, .. } => owner_place(network, eni),
            GateKind::Nat { gateway, .. } => Some(gateway.provenance.clone()),
            GateKind::GatewayEndpoint(endpoint) => Some(endpoint.provenance.clone()),
            GateKind::Vpcs | GateKind::Addresses { .. } => None,
        }
    }

    fn refusal(&self, network: &Network<'_>, asked: &FlowSet) -> (Code, String) {
        let some = self.admits.traffic();
        let only = if some.is_empty() {
            String::new()
        } else {
            format!(", only {some}")
        };
        match &self.kind {
            GateKind::SecurityGroups { eni, egress } => {
                let groups = eni
                    .security_groups
                    .iter()
                    .filter_map(|id| network.group(id));
                let count: usize = groups
                    .map(|group| {
                        if *egress {
                            group.egress.len()
                        } else {
                            group.ingress.len()
                        }
                    })
                    .sum();
                let way = if *egress { "out of" } else { "into" };
                if count == 0 {
                    let text = format!("has no rule that lets anything {way} {}", eni.id);
                    return (Code::SgHasNoRules, text);
                }
                let text = format!("no rule lets {} {way} {}{only}", asked.traffic(), eni.id);
                (Code::EniSgRulesMismatch, text)
            }
            GateKind::Acl {
                subnet,
                egress,
                reply,
                ..
            } => {
                let way = if *egress { "out of" } else { "into" };
                let text = if *reply {
                    format!("stops replies {way} {subnet}: clients listen on ephemeral ports{only}")
                } else {
                    format!("stops {} {way} {subnet}{only}", asked.traffic())
                };
                (Code::SubnetAclRestriction, text)
            }
            GateKind::Route {
                way, subnet, reply, ..
            } => {
                let what = if *reply { "replies" } else { "packets" };
                match way {
                    Way::Nowhere | Way::Local => {
                        let text = format!("has no route for {what} from {subnet}");
                        (Code::NoRouteToDestination, text)
                    }
                    Way::Route(route) => {
                        let to = target_name(&route.target);
                        let code = match route.target {
                            RouteTarget::Other(_) | RouteTarget::Interface(_) => {
                                Code::UnsupportedComponent
                            }
                            _ if *reply => Code::NoRouteToDestination,
                            _ => Code::MoreSpecificRoute,
                        };
                        (code, format!("sends {what} from {subnet} to {to}"))
                    }
                }
            }
            GateKind::InternetGateway {
                eni,
                ingress,
                attached,
            } => {
                let code = if *ingress {
                    Code::IgwPrivateIpAssociationForIngress
                } else {
                    Code::IgwPublicIpAssociationForEgress
                };
                let text = match attached {
                    None => "has no internet gateway".to_owned(),
                    Some(_) => format!("{} has no public address", eni.id),
                };
                (code, text)
            }
            GateKind::Nat { fault, .. } => (
                Code::NoPossibleDestination,
                fault.unwrap_or("cannot send it on").to_owned(),
            ),
            GateKind::GatewayEndpoint(_) => (
                Code::VpceGatewayProtocolRestriction,
                format!("takes TCP and echo requests, not {}", asked.traffic()),
            ),
            GateKind::Vpcs => (
                Code::DisconnectedVpcs,
                "nothing connects these VPCs".to_owned(),
            ),
            GateKind::Addresses { name } => (
                Code::UnassociatedComponent,
                format!("{name} has no address of that family"),
            ),
        }
    }
}

impl Element<'_> {
    fn text(&self, network: &Network<'_>, egress: bool) -> String {
        match self {
            Self::Rule(group, rule) => {
                let peer = match &rule.peer {
                    Peer::Cidr(block) => block.to_string(),
                    Peer::Cidr6(block) => block.to_string(),
                    Peer::PrefixList(id) => network.prefix_list_name(id),
                    Peer::SecurityGroup(id) => id.to_string(),
                    Peer::Other(id) => id.clone(),
                };
                if egress {
                    format!("{} lets {} out to {peer}", group.id, rule.traffic)
                } else {
                    format!("{} lets {} in from {peer}", group.id, rule.traffic)
                }
            }
            Self::Entry(entry) => {
                let way = if egress { "out" } else { "in" };
                format!("rule {} allows {} {way}", entry.rule_number, entry.traffic)
            }
        }
    }

    fn provenance(&self) -> &Provenance {
        match self {
            Self::Rule(_, rule) => &rule.provenance,
            Self::Entry(entry) => &entry.provenance,
        }
    }
}

fn target_name(target: &RouteTarget) -> String {
    match target {
        RouteTarget::InternetGateway(id)
        | RouteTarget::NatGateway(id)
        | RouteTarget::VpcEndpoint(id)
        | RouteTarget::Interface(id) => id.to_string(),
        RouteTarget::Other(kind) => format!("a {kind}, which is not followed"),
    }
}

/// The resource that makes AWS create an interface.
fn owner_place(network: &Network<'_>, eni: &Eni) -> Option<Provenance> {
    let resource = network.model.stack.resources.get(eni.owner.as_str())?;
    Some(resource.provenance.0.clone())
}
