//! How is a JSON template read?
//!
//! As the events a YAML scanner would give, so that one builder serves both.
//! Strict RFC 8259, without recursion. YAML in flow style is nearly JSON, but
//! not quite: surrogate pairs, long keys and deep nesting differ, and its
//! errors speak of YAML.

use std::borrow::Cow;
use std::iter::Peekable;
use std::str::Chars;

use saphyr_parser::{Event, ScalarStyle};

/// Where and why the text is no JSON.
pub(crate) struct JsonError {
    /// Character index.
    pub(crate) at: usize,
    pub(crate) message: &'static str,
}

type Result<T> = std::result::Result<T, JsonError>;

/// Reads one value; `emit` gets each event with its range of character indices.
pub(crate) fn read(text: &str, emit: &mut dyn FnMut(Event<'static>, usize, usize)) -> Result<()> {
    let mut reader = Reader {
        rest: text.chars().peekable(),
        at: 0,
        emit,
    };
    reader.document()
}

/// What may come next inside a collection.
#[derive(Clone, Copy, PartialEq)]
enum Level {
    List,
    Map,
}

struct Reader<'t, 'e> {
    rest: Peekable<Chars<'t>>,
    /// Index of the next character.
    at: usize,
    emit: &'e mut dyn FnMut(Event<'static>, usize, usize),
}

impl Reader<'_, '_> {
    fn document(&mut self) -> Result<()> {
        let mut levels: Vec<Level> = Vec::new();
        self.skip_space();
        self.value(&mut levels)?;
        while let Some(level) = levels.last().copied() {
            self.skip_space();
            match (self.peek(), level) {
                (Some(']'), Level::List) => self.close(&mut levels, Event::SequenceEnd),
                (Some('}'), Level::Map) => self.close(&mut levels, Event::MappingEnd),
                (Some(','), _) => {
                    self.bump();
                    self.skip_space();
                    self.member(level, &mut levels)?;
                }
                (None, Level::List) => return self.fail("a `[` is never closed"),
                (None, Level::Map) => return self.fail("a `{` is never closed"),
                (Some(_), Level::List) => return self.fail("expected `,` or `]`"),
                (Some(_), Level::Map) => return self.fail("expected `,` or `}`"),
            }
        }
        self.skip_space();
        match self.peek() {
            None => Ok(()),
            Some(_) => self.fail("the template ended before this"),
        }
    }

    /// A list's item, or a map's key and value.
    fn member(&mut self, level: Level, levels: &mut Vec<Level>) -> Result<()> {
        if level == Level::Map {
            self.key()?;
        }
        self.value(levels)
    }

    /// A scalar, or opened collections down to the first scalar or empty one.
    fn value(&mut self, levels: &mut Vec<Level>) -> Result<()> {
        loop {
            let (level, event, end) = match self.peek() {
                Some('{') => (Level::Map, Event::MappingStart(0, None), '}'),
                Some('[') => (Level::List, Event::SequenceStart(0, None), ']'),
                Some('"') => return self.string(),
                _ => return self.word(),
            };
            (self.emit)(event, self.at, self.at + 1);
            self.bump();
            levels.push(level);
            self.skip_space();
            if self.peek() == Some(end) {
                // the caller closes it
                return Ok(());
            }
            if level == Level::Map {
                self.key()?;
            }
        }
    }

    /// A key, its colon and the space behind.
    fn key(&mut self) -> Result<()> {
        if self.peek() != Some('"') {
            return self.fail("expected a key in double quotes");
        }
        self.string()?;
        self.skip_space();
        if self.peek() != Some(':') {
            return self.fail("expected `:` after the key");
        }
        self.bump();
        self.skip_space();
        Ok(())
    }

    fn close(&mut self, levels: &mut Vec<Level>, event: Event<'static>) {
        levels.pop();
        self.bump();
        (self.emit)(event, self.at, self.at);
    }

    /// `true`, `false`, `null` or a number.
    fn word(&mut self) -> Result<()> {
        let start = self.at;
        let mut word = String::new();
        while let Some(next) = self
            .peek()
            .filter(|c| c.is_ascii_alphanumeric() || "+-.".contains(*c))
        {
            word.push(next);
            self.bump();
        }
        let is_number = word.starts_with(|c: char| c == '-' || c.is_ascii_digit())
            && serde_json::from_str::<serde_json::Number>(&word).is_ok();
        if !is_number && !matches!(word.as_str(), "true" | "false" | "null") {
            self.at = start;
            return self.fail("expected a value; text needs double quotes");
        }
        let event = Event::Scalar(Cow::Owned(word), ScalarStyle::Plain, 0, None);
        (self.emit)(event, start, self.at);
        Ok(())
    }

    fn string(&mut self) -> Result<()> {
        let start = self.at;
        self.bump();
        let mut text = String::new();
        loop {
            match self.bump() {
                Some('"') => break,
                Some('\\') => text.push(self.escape()?),
                Some(c) if c >= ' ' => text.push(c),
                Some(_) => {
                    self.at -= 1;
                    return self.fail("a line break or control character inside text");
                }
                None => {
                    self.at = start;
                    return self.fail("this text's closing quotation mark is missing");
                }
            }
        }
        let event = Event::Scalar(Cow::Owned(text), ScalarStyle::DoubleQuoted, 0, None);
        (self.emit)(event, start, self.at);
        Ok(())
    }

    fn escape(&mut self) -> Result<char> {
        Ok(match self.bump() {
            Some(c @ ('"' | '\\' | '/')) => c,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let high = self.code_unit()?;
                if !(0xD800..0xDC00).contains(&high) {
                    return Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                if self.bump() != Some('\\') || self.bump() != Some('u') {
                    return self.fail("half of a surrogate pair");
                }
                let low = self.code_unit()?;
                let joined = 0x10000 + ((high - 0xD800) << 10) + (low.wrapping_sub(0xDC00) & 0x3FF);
                char::from_u32(joined).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return self.fail("unknown escape sequence"),
        })
    }

    fn code_unit(&mut self) -> Result<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            match self.bump().and_then(|c| c.to_digit(16)) {
                Some(digit) => unit = unit * 16 + digit,
                None => return self.fail("`\\u` needs four hexadecimal digits"),
            }
        }
        Ok(unit)
    }

    fn peek(&mut self) -> Option<char> {
        self.rest.peek().copied()
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.rest.next()?;
        self.at += 1;
        Some(next)
    }

    fn skip_space(&mut self) {
        while self
            .peek()
            .is_some_and(|c| matches!(c, ' ' | '\t' | '\n' | '\r'))
        {
            self.bump();
        }
    }

    fn fail<T>(&self, message: &'static str) -> Result<T> {
        let at = self.at;
        Err(JsonError { at, message })
    }
}
