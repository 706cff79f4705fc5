//! Security groups: a chain for each distinct list of them, each way.

use std::collections::{BTreeMap, BTreeSet};

use crate::blueprint::ruleset::{
    Chain, Content, DataType, Field, Match, Rule, Set, Statement, Value, Verdict, merged_ranges,
};

use super::reason::{GroupReference, RuleReference, group_code};
use super::{Direction, Firewall, FirewallGroup, FirewallRule, Peer, Protocol};

/// What the groups add to the table.
pub(super) struct Groups {
    pub(super) sets: Vec<Set>,
    pub(super) chains: Vec<Chain>,
    /// `sg_out` and `sg_in`: from a link to the verdict of its profile.
    pub(super) dispatch: [Set; 2],
    pub(super) profiles: Vec<Vec<GroupReference>>,
    pub(super) rules: Vec<RuleReference>,
}

pub(super) fn groups(firewall: &Firewall) -> Groups {
    let members = member_sets(firewall);
    let prefixes = prefix_sets(firewall);
    let (rules, numbers) = number_rules(firewall);
    let profiles = profiles(firewall);
    let context = Context {
        firewall,
        numbers: &numbers,
    };
    let mut chains = Vec::new();
    for (index, profile) in profiles.iter().enumerate() {
        chains.push(context.profile_chain(Direction::Egress, index, profile));
        chains.push(context.profile_chain(Direction::Ingress, index, profile));
    }
    let dispatch = [
        dispatch(firewall, &profiles, "sg_out", |profile| {
            Verdict::Jump(chain_name(Direction::Egress, profile))
        }),
        dispatch(firewall, &profiles, "sg_in", |profile| {
            Verdict::Goto(chain_name(Direction::Ingress, profile))
        }),
    ];
    Groups {
        sets: members.into_iter().chain(prefixes).collect(),
        chains,
        dispatch,
        profiles: profiles
            .iter()
            .map(|profile| references(firewall, profile))
            .collect(),
        rules,
    }
}

/// The distinct lists of groups, sorted: an interface more with a known list
/// changes no chain.
fn profiles(firewall: &Firewall) -> Vec<Vec<String>> {
    let lists = firewall
        .interfaces
        .iter()
        .filter_map(|i| i.security_groups.as_deref());
    lists
        .map(profile)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

/// Order and repetition of groups mean nothing.
fn profile(groups: &[String]) -> Vec<String> {
    let mut profile = groups.to_vec();
    profile.sort();
    profile.dedup();
    profile
}

fn references(firewall: &Firewall, profile: &[String]) -> Vec<GroupReference> {
    let reference = |id: &String| {
        let group = firewall.groups.get(id);
        GroupReference {
            id: id.clone(),
            ingress_rules: group.map_or(0, |group| group.ingress.len()),
            egress_rules: group.map_or(0, |group| group.egress.len()),
            provenance: group
                .map(|group| group.provenance.clone())
                .unwrap_or_default(),
        }
    };
    profile.iter().map(reference).collect()
}

/// Key: group id, direction, position in the group. Numbers begin at 1 and
/// must fit 16 bits: rules beyond stay without one, enforced all the same.
type RuleNumbers = BTreeMap<(String, Direction, usize), u32>;

fn number_rules(firewall: &Firewall) -> (Vec<RuleReference>, RuleNumbers) {
    let mut references = Vec::new();
    let mut numbers = RuleNumbers::new();
    for (id, group) in &firewall.groups {
        for direction in [Direction::Ingress, Direction::Egress] {
            for (position, rule) in rules_of(group, direction).iter().enumerate() {
                references.push(RuleReference {
                    id: rule.id.clone(),
                    group: id.clone(),
                    direction,
                    provenance: rule.provenance.clone(),
                });
                let number = u16::try_from(references.len()).unwrap_or(0);
                numbers.insert((id.clone(), direction, position), u32::from(number));
            }
        }
    }
    (references, numbers)
}

fn rules_of(group: &FirewallGroup, direction: Direction) -> &[FirewallRule] {
    match direction {
        Direction::Ingress => &group.ingress,
        Direction::Egress => &group.egress,
    }
}

fn chain_name(direction: Direction, profile: usize) -> String {
    match direction {
        Direction::Egress => format!("sgo_{profile}"),
        Direction::Ingress => format!("sgi_{profile}"),
    }
}

fn dispatch(
    firewall: &Firewall,
    profiles: &[Vec<String>],
    name: &str,
    verdict: impl Fn(usize) -> Verdict,
) -> Set {
    let entries = firewall.interfaces.iter().filter_map(|interface| {
        let profile = profile(interface.security_groups.as_ref()?);
        let index = profiles.iter().position(|known| *known == profile)?;
        Some((
            vec![Value::InterfaceName(interface.link.clone())],
            verdict(index),
        ))
    });
    Set {
        name: name.into(),
        key: vec![DataType::InterfaceName],
        content: Content::Verdicts(entries.collect()),
    }
}

struct Context<'a> {
    firewall: &'a Firewall,
    numbers: &'a RuleNumbers,
}

impl Context<'_> {
    fn profile_chain(&self, direction: Direction, index: usize, profile: &[String]) -> Chain {
        let mut rules = Vec::new();
        for id in profile {
            let Some(group) = self.firewall.groups.get(id) else {
                continue;
            };
            for (position, rule) in rules_of(group, direction).iter().enumerate() {
                let number = self.numbers.get(&(id.clone(), direction, position));
                let number = number.copied().unwrap_or(0);
                rules.extend(self.admitting(direction, rule, number));
            }
        }
        rules.push(rejection(group_code(direction, index)));
        Chain {
            name: chain_name(direction, index),
            hook: None,
            rules,
        }
    }

    /// `None` for a rule whose peer does not exist: it admits nobody.
    fn admitting(&self, direction: Direction, rule: &FirewallRule, number: u32) -> Option<Rule> {
        let mut statements = protocol_matches(&rule.protocol);
        statements.extend(self.peer_match(direction, &rule.peer)?);
        statements.push(Statement::Counter);
        let (mark, verdict) = match direction {
            Direction::Egress => (
                Statement::SetConnectionMark {
                    keep: 0x0000_ffff,
                    bits: number << 16,
                },
                Verdict::Return,
            ),
            Direction::Ingress => (
                Statement::SetConnectionMark {
                    keep: 0xffff_0000,
                    bits: number,
                },
                Verdict::Accept,
            ),
        };
        statements.extend([mark, Statement::Verdict(verdict)]);
        Some(Rule::new(statements).comment(rule.id.as_str()))
    }

    fn peer_match(&self, direction: Direction, peer: &Peer) -> Option<Option<Statement>> {
        let set = match peer {
            Peer::Cidr(net) => return Some(address_match(direction, *net)),
            Peer::Group(id) => member_set_name(self.firewall, id)?,
            Peer::PrefixList(id) => prefix_set_name(self.firewall, id)?,
        };
        let field = match direction {
            Direction::Egress => Field::Destination,
            Direction::Ingress => Field::Source,
        };
        Some(Some(Statement::In {
            fields: vec![field],
            set,
        }))
    }
}

/// Marks the packet with the reason and hands it to the chain that logs.
pub(super) fn rejection(reason: u32) -> Rule {
    Rule::new([
        Statement::SetMark(reason),
        Statement::Verdict(Verdict::Goto("rejected".into())),
    ])
}

/// The other side's address; nothing to ask for the whole internet.
pub(super) fn address_match(direction: Direction, net: ipnet::Ipv4Net) -> Option<Statement> {
    if net.prefix_len() == 0 {
        return None;
    }
    Some(Statement::Is(match direction {
        Direction::Egress => Match::Destination(net),
        Direction::Ingress => Match::Source(net),
    }))
}

pub(super) fn protocol_matches(protocol: &Protocol) -> Vec<Statement> {
    let ports = |number, ports: &std::ops::RangeInclusive<u16>| {
        let mut statements = vec![Statement::Is(Match::Protocol(number))];
        if *ports != (0..=65535) {
            statements.push(Statement::Is(Match::DestinationPort(ports.clone())));
        }
        statements
    };
    match protocol {
        Protocol::All => Vec::new(),
        Protocol::Tcp(range) => ports(6, range),
        Protocol::Udp(range) => ports(17, range),
        Protocol::Icmp { icmp_type, code } => {
            let mut statements = vec![Statement::Is(Match::Protocol(1))];
            statements.extend(icmp_type.map(|number| Statement::Is(Match::IcmpType(number))));
            statements.extend(code.map(|number| Statement::Is(Match::IcmpCode(number))));
            statements
        }
        Protocol::Number(number) => vec![Statement::Is(Match::Protocol(*number))],
    }
}

/// One set a group: the private addresses of its interfaces.
fn member_sets(firewall: &Firewall) -> Vec<Set> {
    let set = |id: &String| {
        let carries = |groups: &Vec<String>| groups.contains(id);
        let members = firewall
            .interfaces
            .iter()
            .filter(|interface| interface.security_groups.as_ref().is_some_and(carries))
            .map(|interface| vec![Value::Address(interface.address)]);
        Some(Set {
            name: member_set_name(firewall, id)?,
            key: vec![DataType::Address],
            content: Content::Members(members.collect()),
        })
    };
    firewall.groups.keys().filter_map(set).collect()
}

fn prefix_sets(firewall: &Firewall) -> Vec<Set> {
    let set = |(id, nets): (&String, &Vec<ipnet::Ipv4Net>)| {
        Some(Set {
            name: prefix_set_name(firewall, id)?,
            key: vec![DataType::Address],
            content: Content::Ranges(merged_ranges(nets.iter().copied())),
        })
    };
    firewall.prefix_lists.iter().filter_map(set).collect()
}

fn member_set_name(firewall: &Firewall, id: &str) -> Option<String> {
    let position = firewall.groups.keys().position(|known| known == id)?;
    Some(format!("m{position}_{}", identifier(id)))
}

fn prefix_set_name(firewall: &Firewall, id: &str) -> Option<String> {
    let position = firewall.prefix_lists.keys().position(|known| known == id)?;
    Some(format!("p{position}_{}", identifier(id)))
}

/// As much of an id as nft's syntax takes in a name; the position before it
/// keeps names apart.
fn identifier(id: &str) -> String {
    let admitted = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' {
            c
        } else {
            '_'
        }
    };
    id.chars().take(64).map(admitted).collect()
}
