//! Which combinations of values are worth a look?
//!
//! Few are all looked at. Of many, enough that each value of one switch meets
//! each value of every other: most faults need no more than two conditions at
//! once. (Kuhn, Kacker, Lei: "Practical Combinatorial Testing", NIST SP 800-142)

use std::collections::BTreeSet;

/// Chosen combinations: for each switch the index of its value, 0 being the
/// given one. The combination of all given values is not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) rows: Vec<Vec<usize>>,
    pub(super) pairs_left: usize,
}

/// One value of one switch.
type Value = (usize, usize);

/// At most `limit` combinations of switches that have so many values each.
pub(super) fn combinations(sizes: &[usize], limit: usize) -> Chosen {
    let all = sizes
        .iter()
        .try_fold(1_usize, |all, size| all.checked_mul(*size));
    match all {
        Some(all) if all <= limit + 1 => every(sizes, all),
        _ => pairs(sizes, limit),
    }
}

fn every(sizes: &[usize], count: usize) -> Chosen {
    let row = |mut number: usize| {
        let digit = |size: &usize| {
            let index = number % size;
            number /= size;
            index
        };
        sizes.iter().map(digit).collect()
    };
    Chosen {
        rows: (1..count).map(row).collect(),
        pairs_left: 0,
    }
}

fn pairs(sizes: &[usize], limit: usize) -> Chosen {
    let mut open: BTreeSet<(Value, Value)> = BTreeSet::new();
    for (one, size) in sizes.iter().enumerate() {
        for (other, others) in sizes.iter().enumerate().skip(one + 1) {
            for index in 0..*size {
                open.extend((0..*others).map(|at| ((one, index), (other, at))));
            }
        }
    }
    let covered = |row: &[usize], open: &mut BTreeSet<(Value, Value)>| {
        open.retain(|((one, index), (other, at))| row[*one] != *index || row[*other] != *at);
    };
    covered(&vec![0; sizes.len()], &mut open);
    let mut rows = Vec::new();
    while let Some(first) = open.first().copied() {
        if rows.len() == limit {
            break;
        }
        let row = extended(sizes, first, &open);
        covered(&row, &mut open);
        rows.push(row);
    }
    Chosen {
        rows,
        pairs_left: open.len(),
    }
}

/// A combination with one open pair, each other switch set to the value that
/// settles most of the pairs with what is set already.
fn extended(
    sizes: &[usize],
    ((one, index), (other, at)): (Value, Value),
    open: &BTreeSet<(Value, Value)>,
) -> Vec<usize> {
    let mut row: Vec<Option<usize>> = vec![None; sizes.len()];
    (row[one], row[other]) = (Some(index), Some(at));
    for switch in 0..sizes.len() {
        if row[switch].is_some() {
            continue;
        }
        let gain = |value: usize| {
            let set = row.iter().enumerate();
            let set = set.filter_map(|(place, value)| Some((place, (*value)?)));
            set.filter(|set| {
                let own = (switch, value);
                open.contains(&(own.min(*set), own.max(*set)))
            })
            .count()
        };
        let best = (0..sizes[switch]).max_by_key(|value| (gain(*value), std::cmp::Reverse(*value)));
        row[switch] = best;
    }
    row.into_iter().map(Option::unwrap_or_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn few_combinations_are_all_looked_at() {
        let chosen = combinations(&[2, 3], 16);
        assert_eq!(chosen.rows.len(), 5);
        assert_eq!(combinations(&[], 16), Chosen::default());
    }

    proptest! {
        /// Every pair of values is in some combination, or counted as left.
        #[test]
        fn each_pair_of_values_meets(sizes in proptest::collection::vec(2_usize..5, 2..7), limit in 1_usize..40) {
            let chosen = combinations(&sizes, limit);
            prop_assert!(chosen.rows.len() <= limit);
            let mut rows = chosen.rows;
            rows.push(vec![0; sizes.len()]);
            let mut missing = 0;
            for one in 0..sizes.len() {
                for other in one + 1..sizes.len() {
                    for index in 0..sizes[one] {
                        for at in 0..sizes[other] {
                            let meets = rows.iter().any(|row| row[one] == index && row[other] == at);
                            missing += usize::from(!meets);
                        }
                    }
                }
            }
            prop_assert_eq!(missing, chosen.pairs_left);
        }
    }
}
