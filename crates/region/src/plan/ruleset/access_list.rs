//! Network ACLs: an ordered chain each way, met only at a subnet's border.

use crate::blueprint::ruleset::{
    Chain, Content, DataType, Field, Match, Rule, Set, Statement, Value, Verdict,
};

use super::group::{address_match, protocol_matches, rejection};
use super::reason::{AccessListReference, LAST_ENTRY, access_list_code};
use super::{AccessList, AccessListEntry, Direction, Firewall, Protocol, subnet_mark};

/// What the access lists add to the table.
pub(super) struct AccessLists {
    /// In order: `nacl_out`, from a subnet's mark to its egress chain, and
    /// `nacl_to`, from a link to the border of its subnet.
    pub(super) sets: [Set; 2],
    pub(super) chains: Vec<Chain>,
    pub(super) references: Vec<AccessListReference>,
}

pub(super) fn access_lists(firewall: &Firewall) -> AccessLists {
    let mut chains = Vec::new();
    for (index, list) in firewall.access_lists.iter().enumerate() {
        for direction in [Direction::Egress, Direction::Ingress] {
            if is_restricting(entries(list, direction)) {
                chains.push(list_chain(direction, index, entries(list, direction)));
            }
        }
    }
    let borders = (0..firewall.subnets.len()).filter_map(|subnet| border_chain(firewall, subnet));
    chains.extend(borders);
    AccessLists {
        sets: [egress_dispatch(firewall), border_dispatch(firewall)],
        chains,
        references: firewall.access_lists.iter().map(reference).collect(),
    }
}

fn entries(list: &AccessList, direction: Direction) -> &[AccessListEntry] {
    match direction {
        Direction::Ingress => &list.ingress,
        Direction::Egress => &list.egress,
    }
}

fn in_order(entries: &[AccessListEntry]) -> Vec<&AccessListEntry> {
    let mut ordered: Vec<&AccessListEntry> = entries.iter().collect();
    ordered.sort_by_key(|entry| entry.number);
    ordered
}

/// The default network ACL's "100 allow all" needs no chain at all.
fn is_restricting(entries: &[AccessListEntry]) -> bool {
    let first = in_order(entries).into_iter().next();
    !first.is_some_and(|entry| {
        entry.is_allow && entry.protocol == Protocol::All && entry.cidr.prefix_len() == 0
    })
}

fn list_chain(direction: Direction, list: usize, entries: &[AccessListEntry]) -> Chain {
    let mut rules: Vec<Rule> = in_order(entries)
        .into_iter()
        .map(|entry| entry_rule(direction, list, entry))
        .collect();
    rules.push(rejection(access_list_code(direction, list, LAST_ENTRY)));
    Chain {
        name: chain_name(direction, list),
        hook: None,
        rules,
    }
}

fn entry_rule(direction: Direction, list: usize, entry: &AccessListEntry) -> Rule {
    let mut statements = protocol_matches(&entry.protocol);
    statements.extend(address_match(direction, entry.cidr));
    statements.push(Statement::Counter);
    if entry.is_allow {
        statements.push(Statement::Verdict(Verdict::Return));
    } else {
        let code = access_list_code(direction, list, entry.number);
        statements.extend(rejection(code).statements);
    }
    let word = if entry.is_allow { "allow" } else { "deny" };
    Rule::new(statements).comment(format!("{direction} {} {word}", entry.number))
}

fn chain_name(direction: Direction, list: usize) -> String {
    match direction {
        Direction::Egress => format!("acl{list}_out"),
        Direction::Ingress => format!("acl{list}_in"),
    }
}

fn restricting(firewall: &Firewall, subnet: usize, direction: Direction) -> Option<String> {
    let index = firewall.subnets.get(subnet)?.access_list;
    let list = firewall.access_lists.get(index)?;
    is_restricting(entries(list, direction)).then(|| chain_name(direction, index))
}

/// Into a subnet: nothing for its own packets; else the sender's egress, then
/// the subnet's ingress. Needed as soon as either direction restricts, since
/// the egress list must not be asked about packets that stay inside.
fn border_chain(firewall: &Firewall, subnet: usize) -> Option<Chain> {
    let ingress = restricting(firewall, subnet, Direction::Ingress);
    let egress = restricting(firewall, subnet, Direction::Egress);
    if ingress.is_none() && egress.is_none() {
        return None;
    }
    let mut rules = vec![
        Rule::new([
            Statement::Is(Match::Mark(subnet_mark(subnet))),
            Statement::Verdict(Verdict::Return),
        ]),
        Rule::new([dispatch_by_mark()]),
    ];
    rules.extend(ingress.map(|chain| Rule::new([Statement::Verdict(Verdict::Jump(chain))])));
    Some(Chain {
        name: border_name(subnet),
        hook: None,
        rules,
    })
}

fn border_name(subnet: usize) -> String {
    format!("to_s{subnet}")
}

pub(super) fn dispatch_by_mark() -> Statement {
    Statement::Dispatch {
        fields: vec![Field::Mark],
        map: "nacl_out".into(),
    }
}

fn egress_dispatch(firewall: &Firewall) -> Set {
    let entries = (0..firewall.subnets.len()).filter_map(|subnet| {
        let chain = restricting(firewall, subnet, Direction::Egress)?;
        Some((vec![Value::Mark(subnet_mark(subnet))], Verdict::Jump(chain)))
    });
    let content = Content::Verdicts(entries.collect());
    Set {
        name: "nacl_out".into(),
        key: vec![DataType::Mark],
        content,
    }
}

fn border_dispatch(firewall: &Firewall) -> Set {
    let entries = firewall.interfaces.iter().filter_map(|interface| {
        border_chain(firewall, interface.subnet)?;
        let key = vec![Value::InterfaceName(interface.link.clone())];
        Some((key, Verdict::Goto(border_name(interface.subnet))))
    });
    let content = Content::Verdicts(entries.collect());
    Set {
        name: "nacl_to".into(),
        key: vec![DataType::InterfaceName],
        content,
    }
}

fn reference(list: &AccessList) -> AccessListReference {
    let denials = [Direction::Egress, Direction::Ingress]
        .into_iter()
        .flat_map(|direction| {
            let denying = entries(list, direction)
                .iter()
                .filter(|entry| !entry.is_allow);
            denying.map(move |entry| (direction, entry.number, entry.provenance.clone()))
        });
    AccessListReference {
        id: list.id.clone(),
        provenance: list.provenance.clone(),
        denials: denials.collect(),
    }
}
