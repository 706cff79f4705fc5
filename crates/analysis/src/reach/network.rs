//! The model's network, indexed by what a packet asks next.

use std::collections::BTreeMap;

use ipnet::IpNet;
use model::{
    EniId, InternetGateway, LogicalId, Model, NetworkAcl, PrefixList, RouteTable, SecurityGroup,
    Subnet, Vpc,
};

use crate::set::AddressSet;

/// AWS's name for the list of the addresses CloudFront fetches from.
const CLOUDFRONT_LIST: &str = "com.amazonaws.global.cloudfront.origin-facing";

/// Looks things up by the key they are needed by.
#[derive(Clone, Debug)]
pub struct Network<'a> {
    pub model: &'a Model,
    tables: BTreeMap<&'a LogicalId, &'a RouteTable>,
    acls: BTreeMap<&'a LogicalId, &'a NetworkAcl>,
    gateways: BTreeMap<&'a LogicalId, &'a InternetGateway>,
    lists: BTreeMap<&'a str, AddressSet>,
    members: BTreeMap<&'a LogicalId, Vec<&'a EniId>>,
}

impl<'a> Network<'a> {
    pub fn new(model: &'a Model) -> Self {
        let tables = model.route_tables.values();
        let acls = model.network_acls.values();
        let gateways = model.internet_gateways.values();
        let mut members: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for eni in model.enis.values() {
            for group in &eni.security_groups {
                members.entry(group).or_default().push(&eni.id);
            }
        }
        Self {
            model,
            tables: tables
                .flat_map(|table| table.subnets.iter().map(move |subnet| (subnet, table)))
                .collect(),
            acls: acls
                .flat_map(|acl| acl.subnets.iter().map(move |subnet| (subnet, acl)))
                .collect(),
            gateways: gateways
                .filter_map(|gateway| Some((gateway.vpc.as_ref()?, gateway)))
                .collect(),
            lists: model
                .prefix_lists
                .iter()
                .map(|(id, list)| (id.as_str(), addresses(list)))
                .collect(),
            members,
        }
    }

    pub fn subnet(&self, id: &LogicalId) -> Option<&'a Subnet> {
        self.model.subnets.get(id)
    }

    pub fn vpc_of(&self, subnet: &LogicalId) -> Option<&'a Vpc> {
        self.model.vpcs.get(&self.subnet(subnet)?.vpc)
    }

    /// The subnet's own route table. `None` is the VPC's main table, which a
    /// template cannot fill: it has the local route alone.
    pub fn route_table(&self, subnet: &LogicalId) -> Option<&'a RouteTable> {
        self.tables.get(subnet).copied()
    }

    /// The subnet's own ACL. `None` is the VPC's default one, which lets
    /// everything pass.
    pub fn acl(&self, subnet: &LogicalId) -> Option<&'a NetworkAcl> {
        self.acls.get(subnet).copied()
    }

    pub fn internet_gateway(&self, vpc: &LogicalId) -> Option<&'a InternetGateway> {
        self.gateways.get(vpc).copied()
    }

    pub fn group(&self, id: &LogicalId) -> Option<&'a SecurityGroup> {
        self.model.security_groups.get(id)
    }

    /// The interfaces that carry a security group.
    pub fn members(&self, group: &LogicalId) -> &[&'a EniId] {
        self.members.get(group).map_or(&[], Vec::as_slice)
    }

    /// The addresses of a prefix list; itself, when only AWS knows them.
    pub fn prefix_list(&self, id: &str) -> AddressSet {
        self.lists
            .get(id)
            .cloned()
            .unwrap_or_else(|| AddressSet::list(id))
    }

    /// A prefix list as people know it: `pl-22a6434b (…origin-facing)`.
    pub fn prefix_list_name(&self, id: &str) -> String {
        match self.model.prefix_lists.get(id) {
            Some(list) if !list.name.is_empty() => {
                let short = list.name.rsplit('.').next().unwrap_or(&list.name);
                format!("{id} ({short})")
            }
            _ => id.to_owned(),
        }
    }

    /// Whether a prefix list is CloudFront's.
    pub fn is_cloudfront_list(&self, id: &str) -> bool {
        let list = self.model.prefix_lists.get(id);
        list.is_some_and(|list| list.name == CLOUDFRONT_LIST)
    }

    /// The addresses CloudFront fetches from, by every id their list is known by.
    pub fn cloudfront(&self) -> AddressSet {
        let lists = self.model.prefix_lists.keys();
        let lists = lists.filter(|id| self.is_cloudfront_list(id)).cloned();
        AddressSet {
            lists: lists.collect(),
            ..AddressSet::default()
        }
    }
}

fn addresses(list: &PrefixList) -> AddressSet {
    match &list.entries {
        Some(entries) => entries
            .iter()
            .fold(AddressSet::none(), |set, block| {
                set.union(&AddressSet::block(IpNet::V4(*block)))
            })
            .widened(),
        None => AddressSet::list(&list.prefix_list_id),
    }
}
