//! Why could the text not be read, in words a template's author understands?

use saphyr_parser::ScanError;

use crate::diagnostic::Diagnostic;
use crate::text_index::TextIndex;
use crate::value::Span;

/// Turns the scanner's error into a diagnostic that points at the text.
/// `first` is the index of the character the scanner began with, `opened` a
/// bracket that was still open.
pub(crate) fn explain(
    error: &ScanError,
    first: usize,
    index: &TextIndex<'_>,
    opened: Option<Span>,
) -> Diagnostic {
    let at = first + error.marker().index();
    let span = index.span(at, at + 1);
    if let Some(tags) = two_short_tags(index, span) {
        return tags;
    }
    let line = index.line(span.line);
    let message = format!("not valid YAML: {}", error.info());
    let fault = Diagnostic::error("syntax", span, message);
    match opened {
        Some(opened) => {
            let bracket = index.slice(opened);
            fault.with_related(opened, format!("this `{bracket}` is still open"))
        }
        None => fault.with_hint_if(advice(error.info(), line)),
    }
}

/// `!Base64 !Sub …`: YAML gives a node one tag only.
fn two_short_tags(index: &TextIndex<'_>, span: Span) -> Option<Diagnostic> {
    let line = index.line(span.line);
    let mut words = line
        .split_whitespace()
        .skip_while(|word| !is_short_tag(word));
    let (first, second) = (words.next()?, words.next()?);
    if !is_short_tag(second) {
        return None;
    }
    let column = line.find(first)?;
    let start = index.line_start(span.line) + line[..column].chars().count();
    let length = line[column..].find(second)? + second.len();
    let long = match first {
        "!Ref" | "!Condition" => first.trim_start_matches('!').to_owned(),
        _ => format!("Fn::{}", first.trim_start_matches('!')),
    };
    let message = format!("two short tags in a row: `{first} {second}`");
    let span = index.span(start, start + length);
    Some(
        Diagnostic::error("two-short-tags", span, message)
            .with_hint(format!("write the outer one in full: `{long}: {second} …`")),
    )
}

fn is_short_tag(word: &str) -> bool {
    word.strip_prefix('!')
        .is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// What usually stands behind an error of the scanner.
fn advice(info: &str, line: &str) -> Option<String> {
    let hint = if info.starts_with("tabs") || (line.starts_with('\t') && info.contains("tab ")) {
        "indent with spaces: YAML forbids tabs there"
    } else if info.contains("unprintable") {
        "the file holds bytes that are no text: is it a template?"
    } else if info.contains("mapping values are not allowed") {
        "quote text that holds `: `, or check the indentation of this line"
    } else if info.contains("did not find expected key") || info.contains("block mapping") {
        "check the indentation: this line fits none of the levels above it"
    } else if info.contains("quoted scalar") {
        "a closing quotation mark is missing"
    } else if line.trim_start().starts_with(['%', '@', '`']) {
        "quote text that begins with this character"
    } else {
        return None;
    };
    Some(hint.to_owned())
}
