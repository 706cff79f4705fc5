//! What it takes to turn one table into another, when only elements differ.
//!
//! An interface that comes or goes changes a few elements; rewriting the whole
//! ruleset for it would start every counter at zero.

use super::{Content, Set, Table};

/// Elements to take out of sets, then elements to put in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ElementChanges {
    pub removed: Vec<Set>,
    pub added: Vec<Set>,
}

/// The elements by which `to` differs from `from`; `None` if they differ in
/// chains, rules or the shape of sets, which takes a replacement.
#[must_use]
pub fn element_changes(from: &Table, to: &Table) -> Option<ElementChanges> {
    let is_same_frame =
        from.name == to.name && from.chains == to.chains && from.sets.len() == to.sets.len();
    if !is_same_frame {
        return None;
    }
    let mut changes = ElementChanges::default();
    for (old, new) in from.sets.iter().zip(&to.sets) {
        if old.name != new.name || old.key != new.key {
            return None;
        }
        let part = |content| Set {
            name: old.name.clone(),
            key: old.key.clone(),
            content,
        };
        let (removed, added) = content_changes(&old.content, &new.content)?;
        changes
            .removed
            .extend((!removed.is_empty()).then(|| part(removed)));
        changes
            .added
            .extend((!added.is_empty()).then(|| part(added)));
    }
    Some(changes)
}

fn content_changes(old: &Content, new: &Content) -> Option<(Content, Content)> {
    Some(match (old, new) {
        (Content::Members(old), Content::Members(new)) => (
            Content::Members(less(old, new)),
            Content::Members(less(new, old)),
        ),
        (Content::Ranges(old), Content::Ranges(new)) => (
            Content::Ranges(less(old, new)),
            Content::Ranges(less(new, old)),
        ),
        (Content::Verdicts(old), Content::Verdicts(new)) => (
            Content::Verdicts(less(old, new)),
            Content::Verdicts(less(new, old)),
        ),
        (Content::Values(data, old), Content::Values(other, new)) if data == other => (
            Content::Values(*data, less(old, new)),
            Content::Values(*data, less(new, old)),
        ),
        (Content::Counted { .. }, Content::Counted { .. }) if old == new => {
            (Content::Members(Vec::new()), Content::Members(Vec::new()))
        }
        _ => return None,
    })
}

fn less<T: Clone + PartialEq>(all: &[T], without: &[T]) -> Vec<T> {
    all.iter()
        .filter(|item| !without.contains(item))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blueprint::ruleset::{Chain, DataType, Value, Verdict};

    fn table(links: &[(&str, Verdict)]) -> Table {
        let entries = links.iter().map(|(link, verdict)| {
            (
                vec![Value::InterfaceName((*link).to_owned())],
                verdict.clone(),
            )
        });
        let content = Content::Verdicts(entries.collect());
        let key = vec![DataType::InterfaceName];
        let chain = Chain {
            name: "c".into(),
            hook: None,
            rules: Vec::new(),
        };
        Table {
            name: "t".into(),
            sets: vec![Set {
                name: "m".into(),
                key,
                content,
            }],
            chains: vec![chain],
        }
    }

    #[test]
    fn only_what_differs_is_changed() {
        let from = table(&[
            ("e0", Verdict::Drop),
            ("e1", Verdict::Drop),
            ("e2", Verdict::Drop),
        ]);
        let to = table(&[
            ("e3", Verdict::Drop),
            ("e2", Verdict::Accept),
            ("e0", Verdict::Drop),
        ]);
        let changes = element_changes(&from, &to).unwrap();
        let removed = table(&[("e1", Verdict::Drop), ("e2", Verdict::Drop)]);
        let added = table(&[("e3", Verdict::Drop), ("e2", Verdict::Accept)]);
        assert_eq!(
            changes,
            ElementChanges {
                removed: removed.sets,
                added: added.sets
            }
        );
        assert_eq!(
            element_changes(&from, &from),
            Some(ElementChanges::default())
        );
    }

    #[test]
    fn another_frame_takes_a_replacement() {
        let from = table(&[]);
        let mut to = table(&[]);
        to.chains[0].name = "d".into();
        assert_eq!(element_changes(&from, &to), None);
        let mut to = table(&[]);
        to.sets[0].content = Content::Members(Vec::new());
        assert_eq!(element_changes(&from, &to), None);
    }
}
