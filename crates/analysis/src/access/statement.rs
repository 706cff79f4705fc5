//! Which actions and resources does one statement cover, taken by itself?
//!
//! Finite by the table of actions that `iam` knows; whether a request is
//! allowed is left to `iam::evaluate`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use iam::actions::ActionInfo;
use iam::{Pattern, Statement};

/// The table of actions by name, lower case.
static ACTIONS: LazyLock<BTreeMap<String, ActionInfo>> = LazyLock::new(|| {
    let name = |info: &ActionInfo| format!("{}:{}", info.service, info.name).to_ascii_lowercase();
    iam::actions::all()
        .map(|info| (name(&info), info))
        .collect()
});

/// What is known of an action, in any letter case.
pub(crate) fn known_action(action: &str) -> Option<&'static ActionInfo> {
    ACTIONS.get(&action.to_ascii_lowercase())
}

/// The actions of a statement: each as it is written, with those it stands for.
pub(crate) fn actions(statement: &Statement) -> Vec<(String, Vec<String>)> {
    let name = |info: iam::actions::ActionInfo| format!("{}:{}", info.service, info.name);
    if statement.action.negated {
        let excepted = |action: &String| {
            let lower = action.to_ascii_lowercase();
            statement
                .action
                .patterns
                .iter()
                .any(|pattern| pattern.matches(&lower))
        };
        let all = iam::actions::all()
            .map(name)
            .filter(|action| !excepted(action));
        return vec![("NotAction".to_owned(), all.collect())];
    }
    let expand = |pattern: &Pattern| {
        let text = pattern.as_str().to_owned();
        let actions = if text.contains(['*', '?']) {
            iam::actions::covered_by(pattern).map(name).collect()
        } else {
            vec![text.clone()]
        };
        (text, actions)
    };
    statement.action.patterns.iter().map(expand).collect()
}

/// Whether a statement's resources include one.
pub(crate) fn covers_arn(statement: &Statement, arn: &str) -> bool {
    statement.resource.as_ref().is_some_and(|clause| {
        clause
            .patterns
            .iter()
            .any(|pattern| pattern.matches_arn(arn))
            != clause.negated
    })
}

/// ARNs an action takes, of resources nobody has.
pub(crate) fn anything(action: &str) -> Vec<String> {
    let forms = known_action(action)
        .map(|info| info.resources)
        .unwrap_or_default();
    let fill = |form: &&str| form.replacen('*', "aws", 1).replace('*', "no-such-name");
    forms.iter().map(fill).collect()
}

/// Whether an action takes resources of an ARN's form, as far as is known.
pub(crate) fn takes(action: &str, arn: &str) -> bool {
    let Some(info) = known_action(action) else {
        let service = action.split(':').next().unwrap_or_default();
        return arn.split(':').nth(2) == Some(service);
    };
    info.resources
        .iter()
        .any(|form| Pattern::new(form, false).matches(arn))
}

/// Whether the statement's resources are such as the action takes: a bucket
/// is no object.
pub(crate) fn could_apply(statement: &Statement, action: &str) -> bool {
    let Some(clause) = &statement.resource else {
        return false;
    };
    let is_everything = |pattern: &Pattern| pattern.is_everything();
    match known_action(action) {
        Some(info) if info.resources.is_empty() => {
            clause.negated || clause.patterns.iter().any(is_everything)
        }
        Some(info) if !clause.negated => clause.patterns.iter().any(|pattern| {
            info.resources
                .iter()
                .any(|form| overlap(form.as_bytes(), pattern.as_str().as_bytes()))
        }),
        _ => true,
    }
}

/// Whether some text matches both patterns.
fn overlap(a: &[u8], b: &[u8]) -> bool {
    // `open[j]`: the rest of `a` and `b[j..]` have a text in common.
    let ends = |rest: &[u8]| rest.iter().all(|byte| *byte == b'*');
    let mut open: Vec<bool> = (0..=b.len()).map(|j| ends(&b[j..])).collect();
    for i in (0..a.len()).rev() {
        let after = open.clone();
        for j in (0..=b.len()).rev() {
            let (left, right) = (a[i], b.get(j).copied());
            open[j] = match right {
                _ if left == b'*' => after[j] || (j < b.len() && open[j + 1]),
                Some(b'*') => after[j] || open[j + 1],
                Some(right) => (left == right || left == b'?' || right == b'?') && after[j + 1],
                None => false,
            };
        }
    }
    open[0]
}

#[cfg(test)]
mod tests {
    use super::overlap;

    #[test]
    fn patterns_with_a_text_in_common_overlap() {
        let both = |a: &str, b: &str| {
            assert_eq!(
                overlap(a.as_bytes(), b.as_bytes()),
                overlap(b.as_bytes(), a.as_bytes())
            );
            overlap(a.as_bytes(), b.as_bytes())
        };
        assert!(both(
            "arn:*:logs:*:*:log-group:*:log-stream:*",
            "arn:aws:logs:r:1:log-group:/demo*"
        ));
        assert!(both("*", ""));
        assert!(both("a*c", "ab*"));
        assert!(both("a?c", "abc"));
        assert!(!both("arn:*:s3:::*/*", "arn:aws:s3:::bucket"));
        assert!(!both("a*c", "b*c"));
        assert!(!both("", "?"));
    }
}
