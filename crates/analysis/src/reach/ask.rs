//! May this reach that, by any way?

use std::collections::BTreeSet;

use model::{Eni, EniKind};

use super::class::Classes;
use super::connection::{End, accepted, connect};
use super::forward::{Node, Step, forwarded_groups, onward, targets};
use super::matrix::outside_end;
use super::network::Network;
use super::place::{Place, Target};
use super::verdict::Verdict;
use crate::set::TrafficSet;

/// Pairs of classes looked at for one question; more say nothing new.
const MAX_PAIRS: usize = 256;
/// Places looked at on the way; a template has fewer.
const MAX_NODES: usize = 20_000;

/// The answer to `reach FROM TO`.
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    pub from: String,
    pub to: String,
    pub asked: TrafficSet,
    pub outcome: Outcome,
    /// One verdict for each pair of kinds of interface, accepted ones first.
    pub direct: Vec<Verdict>,
    /// How requests are passed on, when they are.
    pub forwarded: Vec<Step<'a>>,
    /// Where requests would be passed on, but a step is shut.
    pub broken: Vec<Step<'a>>,
    /// When the answer is no: the way that opens to whoever takes over the
    /// hosts on it.
    pub takeover: Vec<Step<'a>>,
}

/// How the destination is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// One connection does it.
    Direct,
    /// Distributions or load balancers pass requests on.
    Forwarded,
    Blocked,
}

impl Answer<'_> {
    pub fn is_reached(&self) -> bool {
        self.outcome != Outcome::Blocked
    }
}

/// Answers for every interface of both places at once.
pub fn ask<'a>(network: &Network<'a>, from: &Place<'a>, to: &Target<'a>) -> Answer<'a> {
    let classes = Classes::new(network);
    let mut answer = ask_among(network, &classes, from, to);
    if !answer.is_reached() {
        let search = Search {
            network,
            classes: &classes,
            to,
            with_hosts: true,
        };
        answer.takeover = search.run(&starts(network, &classes, from)).0;
    }
    answer
}

/// As [`ask`], when the classes are there already, and without what an intruder could do.
pub(crate) fn ask_among<'a>(
    network: &Network<'a>,
    classes: &Classes<'a>,
    from: &Place<'a>,
    to: &Target<'a>,
) -> Answer<'a> {
    let direct = direct(network, classes, from, to);
    let search = Search {
        network,
        classes,
        to,
        with_hosts: false,
    };
    let mut outcome = Outcome::Blocked;
    let (mut forwarded, mut broken) = Default::default();
    if direct.iter().any(Verdict::is_accepted) {
        outcome = Outcome::Direct;
    } else if is_passed_on_to(network, &to.place) {
        (forwarded, broken) = search.run(&starts(network, classes, from));
        if !forwarded.is_empty() {
            outcome = Outcome::Forwarded;
        }
    }
    Answer {
        from: from.name(),
        to: to.place.name(),
        asked: to.traffic.clone(),
        outcome,
        direct,
        forwarded,
        broken,
        takeover: Vec::new(),
    }
}

/// Whether anything passes requests on to a place: to others there is nothing to search.
fn is_passed_on_to(network: &Network<'_>, place: &Place<'_>) -> bool {
    let Place::Interfaces { enis, .. } = place else {
        return true;
    };
    let balancers = network.model.load_balancers.values();
    let groups = balancers.flat_map(|balancer| forwarded_groups(network.model, balancer));
    let mut passed_on = groups.flat_map(|group| targets(network, group));
    enis.iter().any(|eni| eni.kind == EniKind::LoadBalancer)
        || passed_on.any(|(target, _)| enis.iter().any(|eni| eni.id == target.id))
}

/// The ends of a place: itself, or one interface of each class it has.
fn ends<'a>(network: &Network<'a>, classes: &Classes<'a>, place: &Place<'a>) -> Vec<End<'a>> {
    match place {
        Place::Interfaces { enis, .. } => representatives(classes, enis)
            .into_iter()
            .map(End::Eni)
            .collect(),
        _ => outside_end(network, place).into_iter().collect(),
    }
}

fn representatives<'a>(classes: &Classes<'a>, enis: &[&'a Eni]) -> Vec<&'a Eni> {
    let mut seen = BTreeSet::new();
    let is_new = |eni: &&&'a Eni| seen.insert((classes.index_of(&eni.id), &eni.owner));
    enis.iter().filter(is_new).copied().collect()
}

/// Whether every kind of interface of one place has a connection to every kind
/// of the other, without the reasons; no if there is none.
pub(crate) fn every_pair<'a>(
    network: &Network<'a>,
    classes: &Classes<'a>,
    from: &Place<'a>,
    to: &Target<'a>,
) -> bool {
    let pairs = pairs(network, classes, from, to);
    let connects = |(source, destination): &(End<'a>, End<'a>)| {
        !accepted(network, source, destination, &to.traffic).is_empty()
    };
    !pairs.is_empty() && pairs.iter().all(connects)
}

fn direct<'a>(
    network: &Network<'a>,
    classes: &Classes<'a>,
    from: &Place<'a>,
    to: &Target<'a>,
) -> Vec<Verdict> {
    let pairs = pairs(network, classes, from, to).into_iter();
    let mut verdicts: Vec<Verdict> = pairs
        .map(|(source, destination)| connect(network, &source, &destination, &to.traffic))
        .collect();
    verdicts.sort_by_key(|verdict| !verdict.is_accepted());
    verdicts
}

fn pairs<'a>(
    network: &Network<'a>,
    classes: &Classes<'a>,
    from: &Place<'a>,
    to: &Target<'a>,
) -> Vec<(End<'a>, End<'a>)> {
    let (sources, destinations) = (
        ends(network, classes, from),
        ends(network, classes, &to.place),
    );
    let mut pairs = Vec::new();
    for source in &sources {
        for destination in &destinations {
            let same = match (source, destination) {
                (End::Eni(a), End::Eni(b)) => a.id == b.id,
                _ => false,
            };
            if !same && pairs.len() < MAX_PAIRS {
                pairs.push((source.clone(), destination.clone()));
            }
        }
    }
    pairs
}

/// Where requests of a place are at first, and with which traffic.
fn starts<'a>(
    network: &Network<'a>,
    classes: &Classes<'a>,
    from: &Place<'a>,
) -> Vec<(Node<'a>, TrafficSet)> {
    match from {
        Place::World { name, .. } if name == "cloudfront" => {
            let all = network.model.distributions.values();
            all.map(|one| (Node::Distribution(one), TrafficSet::all()))
                .collect()
        }
        Place::World { .. } => vec![(Node::Internet, TrafficSet::all())],
        Place::Distribution(distribution) => {
            vec![(Node::Distribution(distribution), TrafficSet::all())]
        }
        Place::Interfaces { enis, .. } => representatives(classes, enis)
            .into_iter()
            .map(|eni| (Node::Eni(eni), TrafficSet::all()))
            .collect(),
        Place::Gateway(_) | Place::Bucket(_) => Vec::new(),
    }
}

/// A breadth-first search for the shortest way.
#[derive(Clone, Copy)]
struct Search<'s, 'a> {
    network: &'s Network<'a>,
    classes: &'s Classes<'a>,
    to: &'s Target<'a>,
    /// Whether hosts on the way do as an intruder wants.
    with_hosts: bool,
}

impl<'a> Search<'_, 'a> {
    /// The steps of the shortest way, and the shut steps that would have
    /// arrived.
    fn run(&self, start: &[(Node<'a>, TrafficSet)]) -> (Vec<Step<'a>>, Vec<Step<'a>>) {
        let mut visits: Vec<Visit<'a>> = start
            .iter()
            .map(|(node, traffic)| Visit {
                node: node.clone(),
                traffic: traffic.clone(),
                came: None,
            })
            .collect();
        let mut seen: BTreeSet<(String, TrafficSet)> = BTreeSet::new();
        let mut broken = Vec::new();
        let mut next = 0;
        while next < visits.len().min(MAX_NODES) {
            let (node, entered) = (visits[next].node.clone(), visits[next].traffic.clone());
            for step in self.steps(&node, &entered) {
                let arrives = self.is_destination(&step.to);
                if step.traffic.is_empty() {
                    if arrives {
                        broken.push(step);
                    }
                    continue;
                }
                if !seen.insert((step.to.key(), step.traffic.clone())) {
                    continue;
                }
                let wanted = !step.traffic.intersection(&self.to.traffic).is_empty();
                visits.push(Visit {
                    node: step.to.clone(),
                    traffic: step.traffic.clone(),
                    came: Some((next, step)),
                });
                if arrives && wanted {
                    return (trace(&visits), Vec::new());
                }
            }
            next += 1;
        }
        (Vec::new(), broken)
    }

    fn steps(&self, node: &Node<'a>, entered: &TrafficSet) -> Vec<Step<'a>> {
        let mut steps = onward(self.network, node, entered);
        if let Node::Eni(eni) = node
            && self.with_hosts
            && matches!(
                eni.kind,
                EniKind::Instance | EniKind::Task | EniKind::Function
            )
        {
            steps.extend(self.connections(eni));
        }
        steps
    }

    /// Every connection a host could open.
    fn connections(&self, host: &'a Eni) -> Vec<Step<'a>> {
        let all = TrafficSet::all();
        let from = End::Eni(host);
        let mut steps = Vec::new();
        for class in &self.classes.classes {
            let Some(&to) = class.members.iter().find(|eni| eni.id != host.id) else {
                continue;
            };
            let to = self.preferred(class, to);
            let is_target = self.is_destination(&Node::Eni(to));
            let asked = if is_target { &self.to.traffic } else { &all };
            if accepted(self.network, &from, &End::Eni(to), asked).is_empty() {
                continue;
            }
            let verdict = connect(self.network, &from, &End::Eni(to), asked);
            steps.push(Step {
                from: host.id.to_string(),
                to: Node::Eni(to),
                traffic: verdict.accepted.traffic(),
                hops: verdict.hops,
                blockers: Vec::new(),
            });
        }
        steps
    }

    /// The destination itself rather than another of its class.
    fn preferred(&self, class: &super::Class<'a>, eni: &'a Eni) -> &'a Eni {
        let wanted = class
            .members
            .iter()
            .find(|eni| self.is_destination(&Node::Eni(eni)));
        wanted.copied().unwrap_or(eni)
    }

    fn is_destination(&self, node: &Node<'a>) -> bool {
        match (node, &self.to.place) {
            (Node::Eni(eni), Place::Interfaces { enis, .. }) => {
                enis.iter().any(|wanted| wanted.id == eni.id)
            }
            (Node::Distribution(one), Place::Distribution(wanted)) => one.id == wanted.id,
            (Node::Bucket(one), Place::Bucket(wanted)) => **one == wanted.id,
            _ => false,
        }
    }
}

/// A place the search has been at, with the traffic that got there.
struct Visit<'a> {
    node: Node<'a>,
    traffic: TrafficSet,
    /// The visit it came from, and how.
    came: Option<(usize, Step<'a>)>,
}

/// The steps that led to the last visit, first one first.
fn trace<'a>(visits: &[Visit<'a>]) -> Vec<Step<'a>> {
    let mut steps = Vec::new();
    let mut at = visits.last();
    while let Some((before, step)) = at.and_then(|visit| visit.came.as_ref()) {
        steps.push(step.clone());
        at = visits.get(*before);
    }
    steps.reverse();
    steps
}
