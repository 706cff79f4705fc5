//! Do the pages in `web/` say everything they have to, in both languages, and
//! nothing the content security policy forbids?

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn web() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web")
}

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("UTF-8")
}

/// The keys of a word list: one a line, quoted where it has a dot.
fn words(language: &str) -> BTreeSet<String> {
    read(&web().join(format!("js/words/{language}.js")))
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .filter_map(|line| line.split_once(": "))
        .map(|(key, _)| key.trim_matches('\'').to_owned())
        .collect()
}

#[test]
fn both_languages_have_the_same_words() {
    assert!(words("ko").len() > 100);
    assert_eq!(words("ko"), words("en"));
}

#[test]
fn every_word_that_is_asked_for_is_there() {
    let known = words("ko");
    let mut asked = 0;
    for path in files(&web().join("js"), "js") {
        let text = read(&path);
        for (at, _) in text.match_indices("t('") {
            let is_a_call_of_t = !text[..at].ends_with(|before: char| before.is_alphanumeric());
            let rest = &text[at + 3..];
            let (key, after) = rest.split_once('\'').expect("quotes close");
            if is_a_call_of_t && after.starts_with([')', ',']) {
                assert!(known.contains(key), "`{key}` in {}", path.display());
                asked += 1;
            }
        }
    }
    assert!(asked > 60, "{asked}");
}

#[test]
fn no_word_is_left_over() {
    let mut text = String::new();
    for path in files(&web().join("js"), "js") {
        if !path
            .parent()
            .is_some_and(|parent| parent.ends_with("words"))
        {
            text += &read(&path);
        }
    }
    // asked for by a part of the key: `status.${…}`, `manage.${name}Title`
    let composed = [
        "problem.",
        "status.",
        "rank.",
        "role.",
        "field.",
        "welcome.",
        "mine.",
        "manage.cancel",
        "manage.delete",
    ];
    for key in words("ko") {
        let is_used = text.contains(&format!("t('{key}'"))
            || text.contains(&format!("'{key}'"))
            || composed.iter().any(|start| key.starts_with(start));
        assert!(is_used, "`{key}`");
    }
}

#[test]
fn every_code_of_the_service_has_a_sentence() {
    let known = words("en");
    for document in ["users", "matches"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("openapi/{document}.json"));
        let document: serde_json::Value = serde_json::from_str(&read(&path)).expect("json");
        let codes = &document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"];
        for code in codes.as_array().expect("a list") {
            let key = format!("problem.{}", code.as_str().expect("a word"));
            assert!(known.contains(&key), "{key}");
        }
    }
}

#[test]
fn nothing_is_inline_and_everything_named_exists() {
    let page = read(&web().join("index.html"));
    assert!(!page.contains("<style") && !page.contains(" style=") && !page.contains(" onclick="));
    for script in page.split("<script").skip(1) {
        let tag = script.split('>').next().unwrap_or_default();
        assert!(tag.contains(" src=\"/js/"), "{tag}");
    }
    let named = page
        .split(['"'])
        .filter(|text| text.starts_with('/') && text.contains('.'));
    let named: BTreeSet<&str> = named.collect();
    for path in &named {
        assert!(web().join(&path[1..]).is_file(), "{path}");
    }
    for path in files(&web().join("js"), "js") {
        let from_root = path
            .strip_prefix(web())
            .expect("below")
            .display()
            .to_string();
        assert!(
            named.contains(format!("/{from_root}").as_str()),
            "{from_root} is not preloaded"
        );
        let text = read(&path);
        for forbidden in [
            "innerHTML",
            "eval(",
            "new Function",
            ".style.",
            "document.write",
        ] {
            assert!(!text.contains(forbidden), "`{forbidden}` in {from_root}");
        }
    }
}
