//! Where in the bytes, lines and columns does a character stand?
//!
//! The YAML scanner counts characters; renderers want bytes, people want lines
//! and columns. Every look-up costs a bounded number of steps, also in a
//! megabyte without a line break.

use crate::value::Span;

/// One byte offset is kept for each stretch of so many characters.
const STRIDE: usize = 64;

/// Places of a text by character index.
pub(crate) struct TextIndex<'t> {
    text: &'t str,
    /// Byte offset of every `STRIDE`-th character.
    stops: Vec<usize>,
    /// Character index at which each line starts.
    lines: Vec<usize>,
    characters: usize,
}

impl<'t> TextIndex<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let mut stops = Vec::with_capacity(text.len() / STRIDE + 1);
        let mut lines = vec![0];
        let mut characters = 0;
        for (offset, character) in text.char_indices() {
            if characters % STRIDE == 0 {
                stops.push(offset);
            }
            characters += 1;
            if character == '\n' {
                lines.push(characters);
            }
        }
        Self {
            text,
            stops,
            lines,
            characters,
        }
    }

    /// The span of a half-open range of character indices.
    pub(crate) fn span(&self, start: usize, end: usize) -> Span {
        let start = start.min(self.characters);
        let line = self.lines.partition_point(|&first| first <= start).max(1);
        Span {
            start: self.byte(start),
            end: self.byte(end.max(start)),
            line,
            column: start - self.lines[line - 1] + 1,
        }
    }

    /// A stretch of text inside a span or behind it on the same line.
    pub(crate) fn near(&self, span: Span, written: &str) -> Option<Span> {
        let rest = self.text.get(span.start..)?;
        let line = rest.lines().next().unwrap_or_default();
        let end = span.end.max(span.start + line.len());
        within(self.text, Span { end, ..span }, written)
    }

    /// The text of a span's bytes.
    pub(crate) fn slice(&self, span: Span) -> &'t str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }

    /// The line with this number (from 1), without its break.
    pub(crate) fn line(&self, line: usize) -> &'t str {
        let Some(&first) = line.checked_sub(1).and_then(|index| self.lines.get(index)) else {
            return "";
        };
        let rest = &self.text[self.byte(first)..];
        rest.split('\n')
            .next()
            .unwrap_or_default()
            .trim_end_matches('\r')
    }

    /// Character index of a line's first character (lines count from 1).
    pub(crate) fn line_start(&self, line: usize) -> usize {
        self.lines
            .get(line.saturating_sub(1))
            .copied()
            .unwrap_or(self.characters)
    }

    /// The text from a character on.
    pub(crate) fn from(&self, character: usize) -> &'t str {
        &self.text[self.byte(character)..]
    }

    pub(crate) fn line_count(&self) -> usize {
        self.lines.len()
    }

    /// Byte offset of a character.
    pub(crate) fn byte(&self, character: usize) -> usize {
        let Some(&stop) = self.stops.get(character / STRIDE) else {
            return self.text.len();
        };
        self.text[stop..]
            .char_indices()
            .nth(character % STRIDE)
            .map_or(self.text.len(), |(offset, _)| stop + offset)
    }
}

/// The place of a stretch of text inside a larger one.
pub(crate) fn within(text: &str, outer: Span, written: &str) -> Option<Span> {
    let slice = text.get(outer.start..outer.end)?;
    let at = slice.find(written)?;
    let before = &slice[..at];
    let column = match before.rfind('\n') {
        Some(newline) => before[newline + 1..].chars().count() + 1,
        None => outer.column + before.chars().count(),
    };
    Some(Span {
        start: outer.start + at,
        end: outer.start + at + written.len(),
        line: outer.line + before.matches('\n').count(),
        column,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_of_several_bytes_count_once() {
        let index = TextIndex::new("가나: 다\nab: \u{1F600}c\n");
        let span = index.span(4, 5);
        assert_eq!(
            (span.start, span.end, span.line, span.column),
            (8, 11, 1, 5)
        );
        assert_eq!(index.slice(span), "다");
        let span = index.span(10, 12);
        assert_eq!(
            (span.line, span.column, index.slice(span)),
            (2, 5, "\u{1F600}c")
        );
        assert_eq!(index.line(2), "ab: \u{1F600}c");
        assert_eq!(index.line(9), "");
    }

    #[test]
    fn places_past_the_end_are_the_end() {
        let index = TextIndex::new("ab");
        assert_eq!(
            index.span(7, 3),
            Span {
                start: 2,
                end: 2,
                line: 1,
                column: 3
            }
        );
        assert_eq!(
            TextIndex::new("").span(0, 0),
            Span {
                start: 0,
                end: 0,
                line: 1,
                column: 1
            }
        );
    }
}
