//! How does text become a tree of nodes?
//!
//! JSON is tried where the text begins like it, YAML otherwise. Either reader
//! gives events, which [`Builder`] folds into nodes; after a syntax error
//! reading goes on at the next section.

mod builder;
mod error;
mod json;

use saphyr_parser::{Parser, ScanError};

use self::builder::Builder;
use crate::diagnostic::Diagnostic;
use crate::node::Node;
use crate::template::SECTIONS;
use crate::text_index::TextIndex;

/// How often reading is taken up again after an error.
const MAX_RESUMPTIONS: usize = 16;

/// Reads one document. Without a root node the text could not be read as a
/// whole, and the diagnostics say why.
pub(crate) fn read(text: &str) -> (Option<Node>, Vec<Diagnostic>) {
    let bare = text.strip_prefix('\u{feff}').unwrap_or(text);
    let index = TextIndex::new(text);
    let skipped = usize::from(bare.len() < text.len());
    let json = bare
        .trim_start()
        .starts_with('{')
        .then(|| read_json(bare, skipped, &index));
    let json_error = match json {
        Some(Ok(read)) => return read,
        Some(Err(error)) => Some(error),
        None => None,
    };
    let (root, faults) = read_yaml(bare, skipped, &index);
    match json_error {
        Some(error) if root.is_none() && is_like_json(bare) => (None, vec![error]),
        _ => (root, faults),
    }
}

/// JSON writes keys in quotes; YAML in flow style seldom does.
fn is_like_json(text: &str) -> bool {
    let inside = text.trim_start().strip_prefix('{').map(str::trim_start);
    inside.is_some_and(|inside| inside.starts_with(['"', '}']))
}

fn read_json(
    text: &str,
    skipped: usize,
    index: &TextIndex<'_>,
) -> Result<(Option<Node>, Vec<Diagnostic>), Diagnostic> {
    let mut builder = Builder::new(index);
    let outcome = json::read(text, &mut |event, start, end| {
        builder.handle(event, index.span(skipped + start, skipped + end));
    });
    match outcome {
        Ok(()) => Ok((builder.root, builder.diagnostics)),
        Err(error) => {
            let at = skipped + error.at;
            let message = format!("not valid JSON: {}", error.message);
            Err(Diagnostic::error("syntax", index.span(at, at + 1), message))
        }
    }
}

/// Reads YAML; after an error goes on at the next section, so that errors in
/// several sections are all named.
fn read_yaml(text: &str, skipped: usize, index: &TextIndex<'_>) -> (Option<Node>, Vec<Diagnostic>) {
    let mut builder = Builder::new(index);
    let mut first = skipped;
    let mut rest = text;
    let mut is_whole = true;
    for _ in 0..=MAX_RESUMPTIONS {
        let Err(error) = read_events(rest, first, &mut builder) else {
            break;
        };
        is_whole = false;
        let opened = builder.unclosed();
        let fault = error::explain(&error, first, index, opened);
        let line = fault.span.line;
        builder.diagnostics.push(fault);
        let next = (line + 1..=index.line_count()).find(|&line| is_section(index.line(line)));
        let Some(next) = next else { break };
        first = index.line_start(next);
        rest = index.from(first);
        builder.start_over();
    }
    (builder.root.filter(|_| is_whole), builder.diagnostics)
}

fn is_section(line: &str) -> bool {
    line.split_once(':')
        .is_some_and(|(name, _)| SECTIONS.contains(&name))
}

fn read_events(text: &str, first: usize, builder: &mut Builder<'_>) -> Result<(), ScanError> {
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event?;
        let (start, end) = (span.start.index(), span.end.index());
        let span = builder.index.span(first + start, first + end);
        builder.handle(event, span);
    }
    Ok(())
}
