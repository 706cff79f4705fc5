//! What should happen to one packet and its answer, by the book?
//!
//! A reading of the VPC User Guide in as few lines as it takes: one address,
//! one port, rule by rule, first match. It shares no code with the planner,
//! which makes rulesets, nor with the analysis, which reasons about sets.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use model::{
    Destination, Eni, EniKind, LogicalId, Model, Peer, PortRange, RouteTarget, SecurityGroupRule,
    Traffic,
};
use region::plan::addresses::{ORIGIN_FACING_RANGE, S3, S3_RANGE};

/// The ports Linux opens connections from.
const CLIENT_PORTS: [u16; 2] = [32768, 60999];
/// Those of a NAT gateway. ("NAT gateway basics")
const NAT_PORTS: [u16; 2] = [1024, 65535];

/// One side of a connection.
#[derive(Clone, Copy)]
pub(crate) enum Side<'a> {
    Eni(&'a Eni),
    Outside(Ipv4Addr),
}

type Passes = Result<(), String>;

/// Whether a TCP connection comes about, or what is in its way.
pub(crate) fn connects(model: &Model, from: Side<'_>, to: Side<'_>, port: u16) -> Passes {
    let book = Book { model };
    match (from, to) {
        (Side::Eni(from), Side::Eni(to)) => book.within(from, to, port),
        (Side::Eni(from), Side::Outside(to)) => book.outwards(from, to, port),
        (Side::Outside(from), Side::Eni(to)) => book.inwards(from, to, port),
        (Side::Outside(_), Side::Outside(_)) => Ok(()),
    }
}

struct Book<'a> {
    model: &'a Model,
}

impl Book<'_> {
    fn within(&self, from: &Eni, to: &Eni, port: u16) -> Passes {
        self.group(from, true, to.address, Some(to), port)?;
        self.crossing(from, &to.subnet, from.address, to.address, port)?;
        self.group(to, false, from.address, Some(from), port)?;
        self.crossing_back(from, &to.subnet, from.address, to.address)?;
        answers(to)
    }

    fn inwards(&self, from: Ipv4Addr, to: &Eni, port: u16) -> Passes {
        check(to.public, || "no public address".into())?;
        check(self.has_gateway(to), || "no internet gateway".into())?;
        self.acl(&to.subnet, false, from, port)?;
        self.group(to, false, from, None, port)?;
        answers(to)?;
        for port in CLIENT_PORTS {
            self.acl(&to.subnet, true, from, port)?;
        }
        match self.route(&to.subnet, from) {
            Some(RouteTarget::InternetGateway(_)) => Ok(()),
            other => Err(format!("the answer goes to {other:?}")),
        }
    }

    fn outwards(&self, from: &Eni, to: Ipv4Addr, port: u16) -> Passes {
        self.group(from, true, to, None, port)?;
        self.acl(&from.subnet, true, to, port)?;
        for port in CLIENT_PORTS {
            self.acl(&from.subnet, false, to, port)?;
        }
        match self.route(&from.subnet, to) {
            Some(RouteTarget::InternetGateway(_)) => {
                check(from.public, || "no public address".into())?;
                check(self.has_gateway(from), || "no internet gateway".into())
            }
            Some(RouteTarget::NatGateway(id)) => {
                let gateway = self.model.enis_of(&id).next();
                self.translated(from, gateway.ok_or("no such NAT gateway")?, to, port)
            }
            Some(RouteTarget::VpcEndpoint(_)) => {
                check(to == S3, || "the endpoint does not serve it".into())
            }
            other => Err(format!("the route leads to {other:?}")),
        }
    }

    /// Through a NAT gateway: into its subnet with the sender's address, out
    /// of it with the gateway's.
    fn translated(&self, from: &Eni, gateway: &Eni, to: Ipv4Addr, port: u16) -> Passes {
        if gateway.subnet != from.subnet {
            self.acl(&gateway.subnet, false, from.address, port)?;
            for port in CLIENT_PORTS {
                self.acl(&gateway.subnet, true, from.address, port)?;
            }
        }
        self.acl(&gateway.subnet, true, to, port)?;
        for port in NAT_PORTS {
            self.acl(&gateway.subnet, false, to, port)?;
        }
        check(gateway.public, || "a private NAT gateway".into())?;
        match self.route(&gateway.subnet, to) {
            Some(RouteTarget::InternetGateway(_)) => Ok(()),
            other => Err(format!("the NAT gateway's route leads to {other:?}")),
        }
    }

    /// Network ACLs on the way there; none within a subnet.
    fn crossing(
        &self,
        from: &Eni,
        into: &LogicalId,
        source: Ipv4Addr,
        destination: Ipv4Addr,
        port: u16,
    ) -> Passes {
        if from.subnet == *into {
            return Ok(());
        }
        self.acl(&from.subnet, true, destination, port)?;
        self.acl(into, false, source, port)
    }

    /// And on the way back, to the port the connection was opened from.
    fn crossing_back(
        &self,
        from: &Eni,
        into: &LogicalId,
        source: Ipv4Addr,
        destination: Ipv4Addr,
    ) -> Passes {
        if from.subnet == *into {
            return Ok(());
        }
        for port in CLIENT_PORTS {
            self.acl(into, true, source, port)?;
            self.acl(&from.subnet, false, destination, port)?;
        }
        Ok(())
    }

    fn group(
        &self,
        eni: &Eni,
        egress: bool,
        far: Ipv4Addr,
        far_eni: Option<&Eni>,
        port: u16,
    ) -> Passes {
        if eni.kind == EniKind::NatGateway {
            return Ok(());
        }
        let groups = eni.security_groups.iter();
        let groups = groups.filter_map(|id| self.model.security_groups.get(id));
        let mut rules = groups.flat_map(|group| match egress {
            true => group.egress.iter(),
            false => group.ingress.iter(),
        });
        let way = if egress { "out of" } else { "into" };
        check(
            rules.any(|rule| self.admits(rule, far, far_eni, port)),
            || format!("no rule {way} {} for {far} {port}", eni.id),
        )
    }

    fn admits(
        &self,
        rule: &SecurityGroupRule,
        far: Ipv4Addr,
        far_eni: Option<&Eni>,
        port: u16,
    ) -> bool {
        let is_peer = match &rule.peer {
            Peer::Cidr(block) => block.contains(&far),
            Peer::SecurityGroup(id) => far_eni.is_some_and(|eni| eni.security_groups.contains(id)),
            Peer::PrefixList(id) => self.blocks(id).iter().any(|block| block.contains(&far)),
            Peer::Cidr6(_) | Peer::Other(_) => false,
        };
        is_peer && is_tcp(rule.traffic, port)
    }

    fn acl(&self, subnet: &LogicalId, egress: bool, far: Ipv4Addr, port: u16) -> Passes {
        let mut lists = self.model.network_acls.values();
        let Some(list) = lists.find(|list| list.subnets.contains(subnet)) else {
            return Ok(());
        };
        let entries = list.entries.iter().filter(|entry| {
            entry.egress == egress
                && entry.cidr.is_some_and(|block| block.contains(&far))
                && is_tcp(entry.traffic, port)
        });
        let decides = entries.min_by_key(|entry| entry.rule_number);
        check(decides.is_some_and(|entry| entry.allow), || {
            let number = decides.map(|entry| entry.rule_number);
            format!("{} stops {far} {port} by rule {number:?}", list.id)
        })
    }

    /// The longest prefix; the VPC's own block leads nowhere else.
    fn route(&self, subnet: &LogicalId, to: Ipv4Addr) -> Option<RouteTarget> {
        let mut tables = self.model.route_tables.values();
        let table = tables.find(|table| table.subnets.contains(subnet))?;
        let mut best: Option<(u8, &RouteTarget)> = None;
        for route in &table.routes {
            let blocks = match &route.destination {
                Destination::Cidr(block) => vec![*block],
                Destination::PrefixList(id) => self.blocks(id),
                Destination::Cidr6(_) => Vec::new(),
            };
            for block in blocks.iter().filter(|block| block.contains(&to)) {
                if best.is_none_or(|(length, _)| block.prefix_len() > length) {
                    best = Some((block.prefix_len(), &route.target));
                }
            }
        }
        best.map(|(_, target)| target.clone())
    }

    fn blocks(&self, list: &str) -> Vec<Ipv4Net> {
        let list = &self.model.prefix_lists[list];
        let stand_in = match list.name.rsplit('.').next() {
            Some("s3") => S3_RANGE,
            Some("origin-facing") => ORIGIN_FACING_RANGE,
            _ => return list.entries.clone().unwrap_or_default(),
        };
        vec![stand_in.parse().unwrap()]
    }

    fn has_gateway(&self, eni: &Eni) -> bool {
        let vpc = &self.model.subnets[&eni.subnet].vpc;
        let mut gateways = self.model.internet_gateways.values();
        gateways.any(|gateway| gateway.vpc.as_ref() == Some(vpc))
    }
}

/// Nobody can connect to a NAT gateway. ("NAT gateway basics")
fn answers(eni: &Eni) -> Passes {
    check(eni.kind != EniKind::NatGateway, || "a NAT gateway".into())
}

fn is_tcp(traffic: Traffic, port: u16) -> bool {
    let has = |ports: PortRange| ports.first <= port && port <= ports.last;
    match traffic {
        Traffic::All => true,
        Traffic::Tcp(ports) => has(ports),
        _ => false,
    }
}

fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Passes {
    if holds { Ok(()) } else { Err(otherwise()) }
}
