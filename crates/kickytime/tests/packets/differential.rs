//! The comparison: packets, the rules by the book, the analysis.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use analysis::reach::{End, Network, connect};
use analysis::set::{AddressSet, TrafficSet};
use model::Model;
use region::plan::addresses::{self, EDGE_ORIGIN_FACING, S3};

use crate::draft::{Draft, blueprint};
use crate::oracle::{self, Side};
use crate::survey::{Trip, trips};
use crate::world::Outcome::Refused;
use crate::world::{Attempt, CLOSED_PORT, Outcome, World};

/// What became of every trip of one template.
pub(crate) struct Report {
    outcomes: BTreeMap<Trip, Outcome>,
    differences: Vec<String>,
}

impl Report {
    pub(crate) fn probed(&self) -> usize {
        self.outcomes.len()
    }

    pub(crate) fn accepted(&self) -> usize {
        let outcomes = self.outcomes.values();
        outcomes.filter(|outcome| outcome.got_there()).count()
    }

    pub(crate) fn differences(&self) -> &[String] {
        &self.differences
    }

    /// What became of a trip that is written as [`Trip`] shows it.
    #[track_caller]
    pub(crate) fn outcome(&self, trip: &str) -> Outcome {
        let mut outcomes = self.outcomes.iter();
        let found = outcomes.find(|(tried, _)| tried.to_string() == trip);
        *found
            .unwrap_or_else(|| panic!("no trip `{trip}` was made"))
            .1
    }
}

/// Tries every trip of a template and notes every difference.
pub(crate) fn compare(draft: &Draft) -> Report {
    let model = draft.model();
    let blueprint = blueprint(&model);
    let trips = trips(&model);
    let expected: Vec<Result<(), String>> = trips
        .iter()
        .map(|trip| {
            let (from, to) = (trip.source(&model), trip.destination(&model));
            oracle::connects(&model, from, to, trip.port)
        })
        .collect();
    let attempts: Vec<Attempt> = trips
        .iter()
        .zip(&expected)
        .map(|(trip, expected)| Attempt {
            from: trip.from.clone(),
            to: trip.address(&blueprint),
            is_expected: expected.is_ok(),
        })
        .collect();
    let outcomes = World::build(&blueprint).connect(&attempts);
    let judge = Judge::new(draft, &model);
    let mut differences = Vec::new();
    for ((trip, expected), outcome) in trips.iter().zip(&expected).zip(&outcomes) {
        let opinions = judge.opinions(trip);
        let got_there = outcome.got_there();
        let at_the_end = !got_there || (*outcome == Refused) == (trip.port == CLOSED_PORT);
        let agree = opinions.iter().all(|opinion| *opinion == got_there);
        if !at_the_end || !agree || got_there != expected.is_ok() {
            let book = expected.as_ref().map(|()| "open");
            let book = book.unwrap_or_else(String::as_str);
            differences.push(format!(
                "{trip}: packets {outcome:?}, book: {book}, analysis: {opinions:?}"
            ));
        }
    }
    Report {
        outcomes: trips.into_iter().zip(outcomes).collect(),
        differences,
    }
}

/// The analysis, asked twice: with the addresses that stand in for AWS's here,
/// and as people ask it, who know AWS's prefix lists by name only.
struct Judge {
    with_addresses: Model,
    by_name: Option<Model>,
}

impl Judge {
    fn new(draft: &Draft, model: &Model) -> Self {
        let mut with_addresses = model.clone();
        for list in with_addresses.prefix_lists.values_mut() {
            let blocks = addresses::prefix_list(model, &list.prefix_list_id);
            list.entries = blocks.or(list.entries.take());
        }
        Self {
            with_addresses,
            by_name: (!draft.knows_stand_ins()).then(|| model.clone()),
        }
    }

    fn opinions(&self, trip: &Trip) -> Vec<bool> {
        let model = &self.with_addresses;
        let mut opinions = vec![is_accepted(model, trip, |_, address| {
            AddressSet::address(address.into())
        })];
        if let Some(model) = &self.by_name {
            opinions.push(is_accepted(model, trip, by_name));
        }
        opinions
    }
}

fn is_accepted(
    model: &Model,
    trip: &Trip,
    outside: fn(&Network<'_>, Ipv4Addr) -> AddressSet,
) -> bool {
    let network = Network::new(model);
    let end = |side| match side {
        Side::Eni(eni) => End::Eni(eni),
        Side::Outside(address) => End::World {
            name: address.to_string(),
            addresses: outside(&network, address),
        },
    };
    let (from, to) = (end(trip.source(model)), end(trip.destination(model)));
    connect(&network, &from, &to, &TrafficSet::tcp(trip.port)).is_accepted()
}

fn by_name(network: &Network<'_>, address: Ipv4Addr) -> AddressSet {
    let region = &network.model.stack.region;
    match address {
        EDGE_ORIGIN_FACING => network.cloudfront(),
        S3 => {
            let name = format!("com.amazonaws.{region}.s3");
            let mut lists = network.model.prefix_lists.values();
            let list = lists.find(|list| list.name == name).unwrap();
            AddressSet::list(&list.prefix_list_id)
        }
        address => AddressSet::address(address.into()),
    }
}
