//! The one text both sides derive from a request, and sign.

use std::fmt::Write as _;

use http::HeaderMap;

/// How the path enters the canonical request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathRule {
    /// Dot segments removed, then the path *as sent* encoded once more.
    NormalisedAndEncodedTwice,
    /// S3: keys may hold `..` and `//`; encoded once.
    AsIs,
}

impl PathRule {
    pub(super) fn of_service(service: &str) -> Self {
        if service == "s3" {
            Self::AsIs
        } else {
            Self::NormalisedAndEncodedTwice
        }
    }
}

/// The parts of a request that are signed.
pub(super) struct Canonical<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) headers: &'a HeaderMap,
    /// Lower case, in the order they are listed.
    pub(super) signed_headers: &'a [String],
    /// Hash of the body, or the word that stands for it.
    pub(super) payload: &'a str,
    pub(super) path_rule: PathRule,
}

impl Canonical<'_> {
    /// The canonical request.
    pub(super) fn text(&self) -> String {
        let mut text = String::with_capacity(512);
        text.push_str(self.method);
        text.push('\n');
        text.push_str(&path(self.path, self.path_rule));
        text.push('\n');
        text.push_str(&query(self.query));
        text.push('\n');
        for name in self.signed_headers {
            text.push_str(name);
            text.push(':');
            header_values(self.headers, name, &mut text);
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.signed_headers.join(";"));
        text.push('\n');
        text.push_str(self.payload);
        text
    }
}

/// Headers a signer covers, sorted; not those that change on the way.
pub(super) fn signable_headers(headers: &HeaderMap) -> Vec<String> {
    const CHANGING: [&str; 8] = [
        "authorization",
        "connection",
        "expect",
        "keep-alive",
        "te",
        "transfer-encoding",
        "user-agent",
        "x-amzn-trace-id",
    ];
    let mut names: Vec<String> = headers
        .keys()
        .map(|name| name.as_str().to_owned())
        .collect();
    names.retain(|name| !CHANGING.contains(&name.as_str()));
    names.sort_unstable();
    names
}

/// Values of a repeated header are joined by commas, runs of blanks become one.
fn header_values(headers: &HeaderMap, name: &str, text: &mut String) {
    for (index, value) in headers.get_all(name).iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        let value = String::from_utf8_lossy(value.as_bytes());
        let mut words = value.split([' ', '\t']).filter(|word| !word.is_empty());
        if let Some(first) = words.next() {
            text.push_str(first);
        }
        for word in words {
            text.push(' ');
            text.push_str(word);
        }
    }
}

fn path(path: &str, rule: PathRule) -> String {
    let mut text = String::with_capacity(path.len() + 8);
    match rule {
        PathRule::AsIs => encode(&decode(path), true, &mut text),
        PathRule::NormalisedAndEncodedTwice => encode(normalise(path).as_bytes(), true, &mut text),
    }
    if text.is_empty() {
        text.push('/');
    }
    text
}

/// Removes `.` and empty segments and lets `..` take its parent (RFC 3986, section 6).
fn normalise(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    let ends_open = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    let trailing = if ends_open && !segments.is_empty() {
        "/"
    } else {
        ""
    };
    format!("/{}{trailing}", segments.join("/"))
}

/// Pairs decoded, encoded anew and sorted; the signature itself is left out.
fn query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = pairs(query)
        .filter(|(name, _)| *name != "X-Amz-Signature")
        .map(|(name, value)| (recode(name), recode(value)))
        .collect();
    pairs.sort_unstable();
    let mut text = String::with_capacity(query.len());
    for (index, (name, value)) in pairs.iter().enumerate() {
        let separator = if index == 0 { "" } else { "&" };
        // writing to a string does not fail
        let _ = write!(text, "{separator}{name}={value}");
    }
    text
}

fn recode(text: &str) -> String {
    let mut recoded = String::with_capacity(text.len());
    encode(&decode(text), false, &mut recoded);
    recoded
}

/// Name and value of each query parameter, as sent.
pub(super) fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Percent-encodes all but RFC 3986's unreserved characters (and `/`, if it may stay).
pub(super) fn encode(bytes: &[u8], keeps_slash: bool, text: &mut String) {
    const DIGITS: [u8; 16] = *b"0123456789ABCDEF";
    for &byte in bytes {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if plain || (keeps_slash && byte == b'/') {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            text.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

/// Undoes percent-encoding; a `%` that introduces nothing stays.
pub(super) fn decode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        if let (b'%', [high, low, after @ ..]) = (first, after)
            && let (Some(high), Some(low)) = (nibble(*high), nibble(*low))
        {
            bytes.push(high << 4 | low);
            rest = after;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    bytes
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}
