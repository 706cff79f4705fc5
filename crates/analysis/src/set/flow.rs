//! Which traffic with which addresses? Unions of boxes of both.

use super::{AddressSet, TrafficSet};

/// All of `traffic` with all of `addresses`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    pub addresses: AddressSet,
    pub traffic: TrafficSet,
}

impl Flow {
    pub fn new(addresses: AddressSet, traffic: TrafficSet) -> Self {
        Self { addresses, traffic }
    }

    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty() || self.traffic.is_empty()
    }

    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self {
            traffic: self.traffic.intersection(&other.traffic),
            addresses: self.addresses.intersection(&other.addresses),
        }
    }
}

/// A union of boxes, which may overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowSet(Vec<Flow>);

impl FlowSet {
    pub fn none() -> Self {
        Self::default()
    }

    pub fn of(addresses: AddressSet, traffic: TrafficSet) -> Self {
        Self::from_iter([Flow::new(addresses, traffic)])
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Flow> {
        self.0.iter()
    }

    pub fn push(&mut self, flow: Flow) {
        if flow.is_empty() {
            return;
        }
        let same = self.0.iter_mut().find(|mine| mine.traffic == flow.traffic);
        match same {
            Some(mine) => mine.addresses = mine.addresses.union(&flow.addresses),
            None => {
                let same = self
                    .0
                    .iter_mut()
                    .find(|mine| mine.addresses == flow.addresses);
                match same {
                    Some(mine) => mine.traffic = mine.traffic.union(&flow.traffic),
                    None => self.0.push(flow),
                }
            }
        }
    }

    /// Every traffic in it, whatever the addresses.
    pub fn traffic(&self) -> TrafficSet {
        let mut all = TrafficSet::none();
        for flow in &self.0 {
            all = all.union(&flow.traffic);
        }
        all
    }

    /// Every address in it, whatever the traffic.
    pub fn addresses(&self) -> AddressSet {
        let mut all = AddressSet::none();
        for flow in &self.0 {
            all = all.union(&flow.addresses);
        }
        all
    }

    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.0.iter().chain(&other.0).cloned().collect()
    }

    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let pairs = self
            .0
            .iter()
            .flat_map(|mine| other.0.iter().map(move |theirs| (mine, theirs)));
        pairs
            .map(|(mine, theirs)| mine.intersection(theirs))
            .collect()
    }

    /// A box minus a box is two boxes: the other addresses, and the other traffic.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut rest = self.clone();
        for cut in &other.0 {
            let mut next = Self::none();
            for flow in &rest.0 {
                let inside = flow.addresses.intersection(&cut.addresses);
                if inside.is_empty() {
                    next.push(flow.clone());
                    continue;
                }
                next.push(Flow::new(
                    flow.addresses.difference(&cut.addresses),
                    flow.traffic.clone(),
                ));
                next.push(Flow::new(inside, flow.traffic.difference(&cut.traffic)));
            }
            rest = next;
        }
        rest
    }

    pub fn covers(&self, other: &Self) -> bool {
        other.difference(self).is_empty()
    }
}

impl FromIterator<Flow> for FlowSet {
    fn from_iter<I: IntoIterator<Item = Flow>>(flows: I) -> Self {
        let mut set = Self::none();
        for flow in flows {
            set.push(flow);
        }
        set
    }
}
