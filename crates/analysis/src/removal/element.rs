//! The elements that can be taken away, and the taking.

use std::collections::BTreeSet;

use cfn::Provenance;
use iam::{Effect, Statement};
use model::{LogicalId, Model, RouteTarget};

use super::Removal;
use crate::access::StatementHolder;
use crate::check::Facts;

/// One thing that lets something happen, or keeps it from happening.
#[derive(Clone, Debug)]
pub(super) enum Element {
    Rule {
        group: LogicalId,
        egress: bool,
        index: usize,
    },
    Route {
        table: LogicalId,
        index: usize,
    },
    Endpoint(LogicalId),
    Statement {
        holder: StatementHolder,
        index: usize,
        effect: Effect,
    },
}

/// Every element that exists for a purpose; AWS's own defaults do not.
pub(super) fn elements(facts: &Facts<'_>) -> Vec<Element> {
    let model = facts.model;
    let mut all = Vec::new();
    for group in model.security_groups.values() {
        for (egress, rules) in [(false, &group.ingress), (true, &group.egress)] {
            for (index, rule) in rules.iter().enumerate() {
                // A rule to nowhere replaces the default of everywhere.
                let to_nowhere = matches!(&rule.peer, model::Peer::Cidr(block)
                    if block.network().is_loopback());
                let is_default = rule.provenance.span == group.provenance.span;
                if !to_nowhere && !is_default {
                    all.push(Element::Rule {
                        group: group.id.clone(),
                        egress,
                        index,
                    });
                }
            }
        }
    }
    for table in model.route_tables.values() {
        for (index, route) in table.routes.iter().enumerate() {
            if !matches!(route.target, RouteTarget::VpcEndpoint(_)) {
                all.push(Element::Route {
                    table: table.id.clone(),
                    index,
                });
            }
        }
    }
    all.extend(model.vpc_endpoints.keys().cloned().map(Element::Endpoint));
    for (holder, document) in facts.access().store.documents() {
        for (index, statement) in document.statements.iter().enumerate() {
            let is_ours = facts
                .access()
                .store
                .statement(&holder.document, index)
                .is_some();
            if is_ours {
                all.push(Element::Statement {
                    holder: holder.clone(),
                    index,
                    effect: statement.effect,
                });
            }
        }
    }
    all
}

/// The model without one rule, route or endpoint.
pub(super) fn without(model: &Model, element: &Element) -> Model {
    let mut model = model.clone();
    match element {
        Element::Rule {
            group,
            egress,
            index,
        } => {
            if let Some(group) = model.security_groups.get_mut(group) {
                let rules = if *egress {
                    &mut group.egress
                } else {
                    &mut group.ingress
                };
                rules.remove(*index);
            }
        }
        Element::Route { table, index } => {
            if let Some(table) = model.route_tables.get_mut(table) {
                table.routes.remove(*index);
            }
        }
        Element::Endpoint(id) => {
            model.vpc_endpoints.remove(id);
            model.enis.retain(|_, eni| eni.owner != *id);
            for table in model.route_tables.values_mut() {
                table
                    .routes
                    .retain(|route| route.target != RouteTarget::VpcEndpoint(id.clone()));
            }
        }
        Element::Statement { .. } => {}
    }
    model
}

/// A statement that was taken out of the compiled policies.
pub(super) struct Taken {
    holder: StatementHolder,
    index: usize,
    statement: Option<Statement>,
}

/// Takes a statement out of the compiled policies; nothing is read again.
pub(super) fn take_statement(
    facts: &mut Facts<'_>,
    holder: &StatementHolder,
    index: usize,
) -> Taken {
    let access = facts.access_mut();
    let document = access.store.document_mut(holder);
    let statement = document.map(|document| document.statements.remove(index));
    access.forget_becoming(statement.as_ref());
    Taken {
        holder: holder.clone(),
        index,
        statement,
    }
}

impl Taken {
    pub(super) fn put_back(self, facts: &mut Facts<'_>) {
        let access = facts.access_mut();
        access.forget_becoming(self.statement.as_ref());
        let document = access.store.document_mut(&self.holder);
        if let (Some(document), Some(statement)) = (document, self.statement) {
            document.statements.insert(self.index, statement);
        }
    }
}

impl Element {
    /// Names that claims about it are likely to bear: whose interfaces a rule is
    /// about on either side, or an endpoint itself.
    pub(super) fn near<'f>(&'f self, facts: &'f Facts<'_>) -> BTreeSet<&'f str> {
        let model = facts.model;
        match self {
            Self::Rule {
                group,
                egress,
                index,
            } => {
                let group = model.security_groups.get(group);
                let rules = group.map(|one| if *egress { &one.egress } else { &one.ingress });
                let peer = match rules
                    .and_then(|rules| rules.get(*index))
                    .map(|rule| &rule.peer)
                {
                    Some(model::Peer::SecurityGroup(id)) => Some(id),
                    _ => None,
                };
                let groups = group.map(|group| &group.id).into_iter().chain(peer);
                let members = groups.flat_map(|id| facts.network.members(id));
                let owners = members.filter_map(|id| model.enis.get(*id));
                let owners = owners.map(|eni| eni.owner.as_str());
                owners.chain(["internet", "cloudfront"]).collect()
            }
            Self::Endpoint(id) => BTreeSet::from([id.as_str()]),
            Self::Route { .. } | Self::Statement { .. } => BTreeSet::new(),
        }
    }

    /// What it is, in words that are the same under every switch.
    pub(super) fn describe(&self, facts: &Facts<'_>) -> Removal {
        let model = facts.model;
        let (what, provenance): (String, Option<Provenance>) = match self {
            Self::Rule {
                group,
                egress,
                index,
            } => {
                let way = if *egress { "out of" } else { "into" };
                let group = model.security_groups.get(group);
                let rules = group.map(|group| {
                    if *egress {
                        &group.egress
                    } else {
                        &group.ingress
                    }
                });
                let rule = rules.and_then(|rules| rules.get(*index));
                let traffic = rule
                    .map(|rule| rule.traffic.to_string())
                    .unwrap_or_default();
                let name = group.map(|group| group.id.to_string()).unwrap_or_default();
                (
                    format!("the rule that lets {traffic} {way} {name}"),
                    rule.map(|rule| rule.provenance.clone()),
                )
            }
            Self::Route { table, index } => {
                let route = model
                    .route_tables
                    .get(table)
                    .and_then(|t| t.routes.get(*index));
                let provenance = route.map(|route| route.provenance.clone());
                (format!("a route of {table}"), provenance)
            }
            Self::Endpoint(id) => {
                let endpoint = model.vpc_endpoints.get(id);
                (
                    format!("endpoint {id}"),
                    endpoint.map(|one| one.provenance.clone()),
                )
            }
            Self::Statement { holder, index, .. } => {
                let document = facts.access().store.document(holder);
                let sid = document.and_then(|one| one.statements.get(*index)?.sid.clone());
                let name = sid.unwrap_or_else(|| index.to_string());
                let what = format!("statement `{name}` of {}", holder.document);
                (
                    what,
                    facts.access().store.statement(&holder.document, *index),
                )
            }
        };
        Removal {
            what,
            provenance: provenance.unwrap_or_default(),
            breaks: None,
        }
    }
}
