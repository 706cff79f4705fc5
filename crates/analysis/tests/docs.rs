//! `docs/rules` says what the rules say of themselves.
//!
//! With `UPDATE_DOCS=1` the files are written instead of compared.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use analysis::check::RULES;

#[test]
fn the_pages_of_the_rules_are_fresh() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rules");
    let update = std::env::var_os("UPDATE_DOCS").is_some();
    let mut index = String::from(
        "# Rules of `kickytime check`\n\n| rule | severity | about |\n|---|---|---|\n",
    );
    let mut pages = vec![];
    for rule in RULES {
        let _ = writeln!(
            index,
            "| [{0}]({0}.md) | {1} | {2} |",
            rule.name,
            rule.severity,
            rule.summary()
        );
        pages.push((format!("{}.md", rule.name), rule.documentation()));
    }
    pages.push(("README.md".to_owned(), index));
    for (name, text) in &pages {
        let path = folder.join(name);
        if update {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, text).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(&found, text, "{name} is stale: run with UPDATE_DOCS=1");
    }
    let known: BTreeSet<_> = pages.into_iter().map(|(name, _)| name).collect();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        assert!(known.contains(&name), "docs/rules/{name} is of no rule");
    }
}

/// Every rule explains itself under the same headings.
#[test]
fn every_rule_has_all_headings() {
    for rule in RULES {
        let text = rule.documentation();
        for heading in [
            "What it does",
            "Why is this bad",
            "Example",
            "Use instead",
            "References",
        ] {
            assert!(
                text.contains(&format!("## {heading}\n")),
                "{}: no `{heading}`",
                rule.name
            );
        }
        assert!(
            !rule.summary().is_empty() && !rule.summary().ends_with('.'),
            "{}",
            rule.name
        );
    }
}
