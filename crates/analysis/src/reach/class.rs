//! Which interfaces cannot be told apart by any filter or route?
//!
//! Interfaces of one class have the same owner (endpoints: the same filters
//! suffice), groups, routes and ACL, and addresses that no rule's block
//! separates. So one of them answers for all, and a network of ten thousand
//! interfaces is as many questions as it has kinds of interface.

use std::collections::BTreeMap;

use model::{Destination, Eni, EniId, EniKind, LogicalId, Peer};

use super::network::Network;

/// Interfaces that answer alike.
#[derive(Clone, Debug)]
pub struct Class<'a> {
    /// In order of interface id; never empty.
    pub members: Vec<&'a Eni>,
}

impl<'a> Class<'a> {
    pub fn representative(&self) -> &'a Eni {
        self.members[0]
    }

    /// The owners of its members, in order, each once.
    pub fn owners(&self) -> Vec<&'a LogicalId> {
        let mut owners: Vec<_> = self.members.iter().map(|eni| &eni.owner).collect();
        owners.sort();
        owners.dedup();
        owners
    }

    /// `UsersService`, or `EcrApiEndpoint and 7 more`.
    pub fn name(&self) -> String {
        let owners = self.owners();
        match owners.as_slice() {
            [one] => one.to_string(),
            [first, rest @ ..] => format!("{first} and {} more", rest.len()),
            [] => String::new(),
        }
    }
}

/// All classes of a network.
#[derive(Clone, Debug)]
pub struct Classes<'a> {
    pub classes: Vec<Class<'a>>,
    of: BTreeMap<&'a EniId, usize>,
}

impl<'a> Classes<'a> {
    pub fn new(network: &Network<'a>) -> Self {
        let borders = borders(network);
        let mut found: BTreeMap<Key<'a>, Vec<&'a Eni>> = BTreeMap::new();
        for eni in network.model.enis.values() {
            let key = Key::new(network, &borders, eni);
            found.entry(key).or_default().push(eni);
        }
        let mut classes: Vec<Class<'a>> = found
            .into_values()
            .map(|members| Class { members })
            .collect();
        classes.sort_by(|a, b| a.representative().id.cmp(&b.representative().id));
        let indexed = classes.iter().enumerate();
        let of = indexed
            .flat_map(|(index, class)| class.members.iter().map(move |eni| (&eni.id, index)))
            .collect();
        Self { classes, of }
    }

    pub fn index_of(&self, eni: &EniId) -> Option<usize> {
        self.of.get(eni).copied()
    }
}

/// What filters and routes can see of an interface.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a> {
    kind: EniKind,
    owner: Option<&'a LogicalId>,
    vpc: Option<&'a LogicalId>,
    table: Option<&'a LogicalId>,
    /// The subnet itself, when its ACL makes its border matter.
    guarded: Option<&'a LogicalId>,
    groups: &'a [LogicalId],
    public: bool,
    dual_stack: bool,
    stretch: usize,
}

impl<'a> Key<'a> {
    fn new(network: &Network<'a>, borders: &[u32], eni: &'a Eni) -> Self {
        let guarded = network.acl(&eni.subnet).map(|_| &eni.subnet);
        Self {
            kind: eni.kind,
            owner: (eni.kind != EniKind::Endpoint).then_some(&eni.owner),
            vpc: network.vpc_of(&eni.subnet).map(|vpc| &vpc.id),
            table: network.route_table(&eni.subnet).map(|table| &table.id),
            guarded,
            groups: &eni.security_groups,
            public: eni.public,
            dual_stack: eni.address6.is_some(),
            stretch: borders.partition_point(|border| *border <= eni.address.into()),
        }
    }
}

/// Every address at which the block of some rule, ACL entry, route or prefix
/// list starts or has just ended.
fn borders(network: &Network<'_>) -> Vec<u32> {
    let model = network.model;
    let groups = model.security_groups.values();
    let rules = groups.flat_map(|group| group.ingress.iter().chain(&group.egress));
    let peers = rules.filter_map(|rule| match &rule.peer {
        Peer::Cidr(block) => Some(*block),
        _ => None,
    });
    let entries = model.network_acls.values().flat_map(|acl| &acl.entries);
    let entries = entries.filter_map(|entry| entry.cidr);
    let routes = model.route_tables.values().flat_map(|table| &table.routes);
    let routes = routes.filter_map(|route| match &route.destination {
        Destination::Cidr(block) => Some(*block),
        _ => None,
    });
    let lists = model.prefix_lists.values();
    let lists = lists.flat_map(|list| list.entries.iter().flatten().copied());
    let blocks = peers.chain(entries).chain(routes).chain(lists);
    let mut borders: Vec<u32> = blocks
        .flat_map(|block| {
            let after = u32::from(block.broadcast()).checked_add(1);
            [Some(block.network().into()), after]
        })
        .flatten()
        .collect();
    borders.sort_unstable();
    borders.dedup();
    borders
}
