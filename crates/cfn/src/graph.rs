//! Do things that need each other go round in a circle?

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Who needs whom; names are sorted, so answers are stable.
pub(crate) type Graph<'n> = BTreeMap<&'n str, BTreeSet<&'n str>>;

/// One shortest cycle for every knot of names that need each other, beginning
/// with the knot's first name. A name that needs itself is a cycle of one.
pub(crate) fn cycles<'n>(graph: &Graph<'n>) -> Vec<Vec<&'n str>> {
    knots(graph)
        .iter()
        .filter_map(|knot| shortest_cycle(graph, knot))
        .collect()
}

/// Strongly connected components by Tarjan's algorithm, without recursion.
fn knots<'n>(graph: &Graph<'n>) -> Vec<BTreeSet<&'n str>> {
    let mut order: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut settled: BTreeSet<&str> = BTreeSet::new();
    let mut stack = Vec::new();
    let mut knots = Vec::new();
    for &root in graph.keys() {
        let mut path = Vec::new();
        if !order.contains_key(root) {
            path.push((root, successors(graph, root)));
            order.insert(root, (order.len(), order.len()));
            stack.push(root);
        }
        while let Some((name, rest)) = path.last_mut() {
            let name = *name;
            if let Some(next) = rest.next() {
                match order.get(next).copied() {
                    None => {
                        order.insert(next, (order.len(), order.len()));
                        stack.push(next);
                        path.push((next, successors(graph, next)));
                    }
                    Some((index, _)) if !settled.contains(next) => lower(&mut order, name, index),
                    Some(_) => {}
                }
                continue;
            }
            path.pop();
            let (index, low) = order[name];
            if let Some((parent, _)) = path.last() {
                lower(&mut order, parent, low);
            }
            if index == low {
                let start = stack.iter().rposition(|&other| other == name);
                let knot: BTreeSet<&str> = stack
                    .split_off(start.unwrap_or(stack.len()))
                    .into_iter()
                    .collect();
                settled.extend(&knot);
                knots.push(knot);
            }
        }
    }
    knots
}

fn successors<'g, 'n>(
    graph: &'g Graph<'n>,
    name: &str,
) -> impl Iterator<Item = &'n str> + use<'g, 'n> {
    graph.get(name).into_iter().flatten().copied()
}

fn lower<'n>(order: &mut BTreeMap<&'n str, (usize, usize)>, name: &'n str, to: usize) {
    let entry = order.entry(name).or_insert((to, to));
    entry.1 = entry.1.min(to);
}

/// The shortest way from a knot's first name back to it.
fn shortest_cycle<'n>(graph: &Graph<'n>, knot: &BTreeSet<&'n str>) -> Option<Vec<&'n str>> {
    let first = *knot.first()?;
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = VecDeque::from([first]);
    while let Some(name) = queue.pop_front() {
        for next in successors(graph, name).filter(|next| knot.contains(next)) {
            if next == first {
                let mut cycle = vec![name];
                while let Some(&before) = came_from.get(cycle[cycle.len() - 1]) {
                    cycle.push(before);
                }
                cycle.reverse();
                return Some(cycle);
            }
            if !came_from.contains_key(next) {
                came_from.insert(next, name);
                queue.push_back(next);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&'static str, &'static str)]) -> Graph<'static> {
        let mut graph = Graph::new();
        for (from, to) in edges {
            graph.entry(from).or_default().insert(*to);
        }
        graph
    }

    #[test]
    fn every_knot_gives_its_shortest_cycle() {
        let edges = [
            ("a", "b"),
            ("b", "c"),
            ("c", "a"),
            ("b", "a"),
            ("c", "d"),
            ("d", "d"),
        ];
        assert_eq!(cycles(&graph(&edges)), [vec!["d"], vec!["a", "b"]]);
        assert_eq!(
            cycles(&graph(&[("a", "b"), ("a", "c"), ("b", "c")])),
            Vec::<Vec<&str>>::new()
        );
    }

    #[test]
    fn a_long_chain_needs_no_deep_stack() {
        let names: Vec<String> = (0..50_000).map(|n| format!("n{n:05}")).collect();
        let mut graph = Graph::new();
        for pair in names.windows(2) {
            graph.insert(&pair[0], BTreeSet::from([pair[1].as_str()]));
        }
        assert!(cycles(&graph).is_empty());
        graph.insert(&names[49_999], BTreeSet::from([names[0].as_str()]));
        assert_eq!(cycles(&graph)[0].len(), 50_000);
    }
}
