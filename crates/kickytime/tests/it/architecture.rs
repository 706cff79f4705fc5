//! Do the crates depend on each other as ARCHITECTURE.md says?

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value as Json;

/// Every edge between our crates, `from -> to`. A new one is a decision: it
/// belongs here and in ARCHITECTURE.md, in the same change.
const EDGES: &[(&str, &str)] = &[
    ("agent", "aws"),
    ("agent", "session"),
    ("agent", "session-io"),
    ("analysis", "cfn"), // spans of what an answer points at
    ("analysis", "iam"),
    ("analysis", "model"),
    ("aws", "iam"),     // signs requests
    ("aws", "session"), // the opening text of a data channel
    ("aws", "session-io"),
    ("emulator", "iam"),
    ("emulator", "session"),
    ("kickytime", "agent"),
    ("kickytime", "analysis"),
    ("kickytime", "aws"),
    ("kickytime", "cfn"),
    ("kickytime", "emulator"),
    ("kickytime", "iam"),
    ("kickytime", "model"),
    ("kickytime", "region"),
    ("kickytime", "session"),
    ("kickytime", "session-io"),
    ("model", "cfn"),
    ("model", "iam"),
    ("region", "cfn"), // spans of what cannot be run
    ("region", "emulator"),
    ("region", "iam"), // signs requests to bucket origins
    ("region", "model"),
    ("region", "session"),
    ("session-io", "session"),
];

/// Crates without a clock, files, processes or sockets, and what would bring
/// one in.
const PURE: &[&str] = &["analysis", "cfn", "iam", "model", "session"];
const IMPURE: &[&str] = &[
    "tokio",
    "nix",
    "libc",
    "hyper",
    "hyper-util",
    "rustls",
    "netlink-sys",
];

struct Dependency {
    from: String,
    to: String,
    is_ours: bool,
}

/// What every crate of the workspace is built from, tests left out.
fn dependencies() -> Vec<Dependency> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let metadata: Json = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .flat_map(|package| {
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            let normal = dependencies.iter().filter(|entry| entry["kind"].is_null());
            normal.map(|entry| Dependency {
                from: package["name"].as_str().expect("a name").to_owned(),
                to: entry["name"].as_str().expect("a name").to_owned(),
                is_ours: entry["path"].is_string(),
            })
        })
        .collect()
}

#[test]
fn crates_depend_on_each_other_as_decided() {
    let allowed: BTreeSet<_> = EDGES.iter().copied().collect();
    let dependencies = dependencies();
    assert!(dependencies.len() > 50, "cargo metadata lists dependencies");
    let undecided: Vec<String> = dependencies
        .iter()
        .filter(|edge| edge.is_ours && !allowed.contains(&(edge.from.as_str(), edge.to.as_str())))
        .map(|edge| format!("{} -> {}", edge.from, edge.to))
        .collect();
    assert_eq!(undecided, Vec::<String>::new(), "edges nobody decided");
}

#[test]
fn allowed_edges_go_one_way() {
    // a crate's depth: one more than the deepest it stands on
    fn depth(name: &str, seen: usize) -> usize {
        assert!(seen <= EDGES.len(), "a cycle through `{name}`");
        let below = EDGES.iter().filter(|(from, _)| *from == name);
        below
            .map(|(_, to)| 1 + depth(to, seen + 1))
            .max()
            .unwrap_or(0)
    }
    for (name, expected) in [
        ("cfn", 0),
        ("iam", 0),
        ("session", 0),
        ("server", 0),
        ("model", 1),
        ("emulator", 1),
        ("session-io", 1),
        ("analysis", 2),
        ("aws", 2),
        ("region", 2),
        ("agent", 3),
        ("kickytime", 4),
    ] {
        assert_eq!(depth(name, 0), expected, "depth of `{name}`");
    }
}

#[test]
fn pure_crates_bring_no_io() {
    let faults: Vec<String> = dependencies()
        .into_iter()
        .filter(|edge| PURE.contains(&edge.from.as_str()) && IMPURE.contains(&edge.to.as_str()))
        .map(|edge| format!("{} -> {}", edge.from, edge.to))
        .collect();
    assert_eq!(faults, Vec::<String>::new());
}
