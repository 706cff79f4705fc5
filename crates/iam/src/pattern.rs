//! Does this text match an IAM pattern?
//!
//! Patterns are compiled once, when a document is read. `*` stands for any run
//! of characters and `?` for one; `${key}` is filled in from the request when it
//! is asked. In an ARN a wildcard stays inside its colon-separated segment,
//! except a `*` that ends its segment, which may run on over colons.
//! (IAM User Guide, "Resource" and "Policy elements: variables and tags".)

/// A policy variable inside a pattern: `${aws:PrincipalTag/team, 'none'}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// The condition key, lower case.
    pub key: String,
    /// What to use when the request does not carry the key.
    pub default: Option<String>,
}

/// A compiled pattern, together with the text it was written as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    tokens: Vec<Token>,
    /// Bytes every match begins with; lets most patterns refuse in one comparison.
    prefix: Vec<u8>,
    variables: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Byte(u8),
    AnyChar,
    AnyRun,
    /// Boxed: patterns are mostly bytes, and there are many.
    Variable(Box<Variable>),
}

/// What a `*` may run over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Everything,
    Segment,
}

impl Pattern {
    /// Compiles a pattern of a document whose version knows policy variables or not.
    ///
    /// Text after an unfinished `${` is taken literally, as IAM does.
    #[must_use]
    pub fn new(text: &str, variables: bool) -> Self {
        let mut tokens = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if variables && let Some((token, length)) = variable_at(rest) {
                tokens.push(token);
                rest = &rest[length..];
                continue;
            }
            match first {
                // two stars in a row mean what one does
                '*' if tokens.last() == Some(&Token::AnyRun) => {}
                '*' => tokens.push(Token::AnyRun),
                '?' => tokens.push(Token::AnyChar),
                _ => tokens.extend(
                    rest.as_bytes()[..first.len_utf8()]
                        .iter()
                        .copied()
                        .map(Token::Byte),
                ),
            }
            rest = &rest[first.len_utf8()..];
        }
        Self::from_tokens(text.to_owned(), tokens)
    }

    /// Compiles an action pattern: no variables, letter case ignored.
    ///
    /// Match it against lower-case text.
    #[must_use]
    pub fn action(text: &str) -> Self {
        let mut pattern = Self::new(&text.to_ascii_lowercase(), false);
        text.clone_into(&mut pattern.text);
        pattern
    }

    /// Compiles text whose `*` and `?` stand for themselves; variables still work.
    #[must_use]
    pub fn literal(text: &str, variables: bool) -> Self {
        let mut tokens = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if variables && let Some((token, length)) = variable_at(rest) {
                tokens.push(token);
                rest = &rest[length..];
            } else {
                let (bytes, after) = rest.as_bytes().split_at(first.len_utf8());
                tokens.extend(bytes.iter().copied().map(Token::Byte));
                rest = &rest[rest.len() - after.len()..];
            }
        }
        Self::from_tokens(text.to_owned(), tokens)
    }

    /// As [`Pattern::literal`], to be matched against lower-case text.
    #[must_use]
    pub fn folded_literal(text: &str, variables: bool) -> Self {
        let mut pattern = Self::literal(&text.to_lowercase(), variables);
        text.clone_into(&mut pattern.text);
        pattern
    }

    fn from_tokens(text: String, tokens: Vec<Token>) -> Self {
        let prefix = tokens
            .iter()
            .map_while(|token| match token {
                Token::Byte(byte) => Some(*byte),
                _ => None,
            })
            .collect();
        let variables = tokens
            .iter()
            .any(|token| matches!(token, Token::Variable(_)));
        Self {
            text,
            tokens,
            prefix,
            variables,
        }
    }

    /// The pattern as written in the document.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern is `*` alone.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.tokens == [Token::AnyRun]
    }

    /// The policy variables it needs from the request.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.tokens.iter().filter_map(|token| match token {
            Token::Variable(variable) => Some(&**variable),
            _ => None,
        })
    }

    /// Replaces variables by `resolve(key)` or their default, taken literally.
    ///
    /// `None` when one has neither: such a pattern matches nothing.
    pub fn resolved<'p>(
        &'p self,
        resolve: impl Fn(&str) -> Option<String>,
    ) -> Option<std::borrow::Cow<'p, Self>> {
        if !self.variables {
            return Some(std::borrow::Cow::Borrowed(self));
        }
        let mut tokens = Vec::with_capacity(self.tokens.len());
        for token in &self.tokens {
            if let Token::Variable(variable) = token {
                let value = resolve(&variable.key).or_else(|| variable.default.clone())?;
                tokens.extend(value.into_bytes().into_iter().map(Token::Byte));
            } else {
                tokens.push(token.clone());
            }
        }
        Some(std::borrow::Cow::Owned(Self::from_tokens(
            self.text.clone(),
            tokens,
        )))
    }

    /// Matches with `*` running over anything. Unresolved variables match nothing.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        text.as_bytes().starts_with(&self.prefix)
            && matches(
                &self.tokens[self.prefix.len()..],
                &text[self.prefix.len()..],
                Reach::Everything,
            )
    }

    /// Matches an ARN in a `Resource` element: wildcards keep to their segment,
    /// a `*` at the end of a segment does not.
    #[must_use]
    pub fn matches_arn(&self, arn: &str) -> bool {
        arn.as_bytes().starts_with(&self.prefix)
            && matches(
                &self.tokens[self.prefix.len()..],
                &arn[self.prefix.len()..],
                Reach::Segment,
            )
    }

    /// Matches as `ArnLike` does: six components, each by itself.
    #[must_use]
    pub fn matches_arn_components(&self, arn: &str) -> bool {
        let mut components = arn.splitn(6, ':');
        let mut tokens = self.tokens.as_slice();
        for index in 0..6 {
            let Some(component) = components.next() else {
                return false;
            };
            let end = tokens.iter().position(|token| *token == Token::Byte(b':'));
            let part = match end {
                Some(end) if index < 5 => {
                    let part = &tokens[..end];
                    tokens = &tokens[end + 1..];
                    part
                }
                // fewer than six components in the pattern: not an ARN
                None if index < 5 => return false,
                _ => tokens,
            };
            if !matches(part, component, Reach::Everything) {
                return false;
            }
        }
        true
    }
}

/// A variable or an escaped character at the start of `text`, with its length.
fn variable_at(text: &str) -> Option<(Token, usize)> {
    let body = text.strip_prefix("${")?;
    let end = body.find('}')?;
    let inner = &body[..end];
    let length = end + 3;
    if let "*" | "?" | "$" = inner {
        return Some((Token::Byte(inner.as_bytes()[0]), length));
    }
    let (key, default) = match inner.split_once(',') {
        Some((key, default)) => {
            let default = default.trim().strip_prefix('\'')?.strip_suffix('\'')?;
            (key, Some(default.to_owned()))
        }
        None => (inner, None),
    };
    let key = key.trim().to_ascii_lowercase();
    (!key.is_empty()).then_some((Token::Variable(Box::new(Variable { key, default })), length))
}

/// Where to resume when the text after a `*` did not fit: one character later.
#[derive(Clone, Copy)]
struct Retry {
    token: usize,
    at: usize,
}

/// The matcher.
///
/// A wide `*` (over everything) fits earliest or not at all, so only the last one
/// need be retried; the same holds for a narrow one (inside a segment) between
/// two wide ones, because every way to fit what stands between crosses the same
/// number of colons.
fn matches(tokens: &[Token], text: &str, reach: Reach) -> bool {
    let (mut token, mut at) = (0, 0);
    let (mut wide, mut narrow): (Option<Retry>, Option<Retry>) = (None, None);
    let bytes = text.as_bytes();
    loop {
        match tokens.get(token) {
            None if at == bytes.len() => return true,
            Some(Token::AnyRun) => {
                let retry = Retry {
                    token: token + 1,
                    at,
                };
                let ends_segment = matches!(tokens.get(token + 1), None | Some(Token::Byte(b':')));
                if reach == Reach::Everything || ends_segment {
                    if token + 1 == tokens.len() {
                        return true;
                    }
                    (wide, narrow) = (Some(retry), None);
                } else {
                    narrow = Some(retry);
                }
                token += 1;
                continue;
            }
            Some(Token::AnyChar)
                if at < bytes.len() && !(reach == Reach::Segment && bytes[at] == b':') =>
            {
                at += char_length(bytes[at]);
                token += 1;
                continue;
            }
            Some(Token::Byte(byte)) if bytes.get(at) == Some(byte) => {
                at += 1;
                token += 1;
                continue;
            }
            _ => {}
        }
        if let Some(retry) = narrow.as_mut()
            && retry.at < bytes.len()
            && bytes[retry.at] != b':'
        {
            retry.at += char_length(bytes[retry.at]);
            (token, at) = (retry.token, retry.at);
        } else if let Some(retry) = wide.as_mut()
            && retry.at < bytes.len()
        {
            retry.at += char_length(bytes[retry.at]);
            (token, at, narrow) = (retry.token, retry.at, None);
        } else {
            return false;
        }
    }
}

/// Bytes of the UTF-8 character that begins with `first`.
fn char_length(first: u8) -> usize {
    match first {
        0xF0.. => 4,
        0xE0.. => 3,
        0xC0.. => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests;
