//! Conditional requests and ranges (RFC 9110 §13, §14; "GetObject").

use http::HeaderMap;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::state::Meta;
use crate::gate::header;

/// What the conditions of a request come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Proceed,
    NotModified,
    Failed,
}

/// The part of an object asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Range {
    Whole,
    /// `from` inclusive, `to` exclusive.
    Part {
        from: usize,
        to: usize,
    },
    Unsatisfiable,
}

/// Weighs the conditions in the order of RFC 9110 §13.2.2.
pub(super) fn weigh(headers: &HeaderMap, meta: &Meta) -> Outcome {
    let modified_s = meta.modified_ms.div_euclid(1_000);
    let match_one = header(headers, "if-match");
    if !match_one.is_empty() {
        if !names(match_one, &meta.etag) {
            return Outcome::Failed;
        }
    } else if date(header(headers, "if-unmodified-since")).is_some_and(|at| modified_s > at) {
        return Outcome::Failed;
    }
    let match_none = header(headers, "if-none-match");
    if !match_none.is_empty() {
        if names(match_none, &meta.etag) {
            return Outcome::NotModified;
        }
    } else if date(header(headers, "if-modified-since")).is_some_and(|at| modified_s <= at) {
        return Outcome::NotModified;
    }
    Outcome::Proceed
}

fn names(list: &str, etag: &str) -> bool {
    list.split(',')
        .map(|tag| tag.trim().trim_start_matches("W/").trim_matches('"'))
        .any(|tag| tag == "*" || tag == etag)
}

fn date(text: &str) -> Option<i64> {
    let text = text.replace("GMT", "+0000");
    OffsetDateTime::parse(&text, &Rfc2822)
        .ok()
        .map(OffsetDateTime::unix_timestamp)
}

/// Reads a `Range` header; several ranges, or something else, give the whole.
pub(super) fn range(text: &str, length: usize) -> Range {
    let Some((first, last)) = text
        .strip_prefix("bytes=")
        .and_then(|spec| spec.split_once('-'))
    else {
        return Range::Whole;
    };
    let number = |text: &str| text.trim().parse::<usize>().ok();
    match (first.trim(), number(first), last.trim(), number(last)) {
        ("", _, _, Some(0)) => Range::Unsatisfiable,
        ("", _, _, Some(_)) if length == 0 => Range::Unsatisfiable,
        ("", _, _, Some(suffix)) => Range::Part {
            from: length.saturating_sub(suffix),
            to: length,
        },
        (_, Some(from), "", _) if from < length => Range::Part { from, to: length },
        (_, Some(from), _, Some(to)) if from <= to && from < length => Range::Part {
            from,
            to: to.saturating_add(1).min(length),
        },
        (_, Some(from), "", _) | (_, Some(from), _, Some(_)) if from >= length => {
            Range::Unsatisfiable
        }
        _ => Range::Whole,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn ranges_are_cut_to_the_object() {
        use Range::*;
        assert_eq!(range("bytes=0-3", 10), Part { from: 0, to: 4 });
        assert_eq!(range("bytes=4-", 10), Part { from: 4, to: 10 });
        assert_eq!(range("bytes=-3", 10), Part { from: 7, to: 10 });
        assert_eq!(range("bytes=-30", 10), Part { from: 0, to: 10 });
        assert_eq!(range("bytes=8-99", 10), Part { from: 8, to: 10 });
        assert_eq!(range("bytes=10-", 10), Unsatisfiable);
        assert_eq!(range("bytes=0-0", 0), Unsatisfiable);
        assert_eq!(range("bytes=-0", 10), Unsatisfiable);
        for whole in [
            "",
            "bytes=",
            "bytes=5-2",
            "bytes=a-b",
            "bytes=0-1,3-4",
            "lines=0-3",
        ] {
            assert_eq!(range(whole, 10), Whole, "{whole}");
        }
    }

    #[test]
    fn conditions_follow_the_rfc() {
        let meta = Meta {
            key: "k".into(),
            size: 1,
            etag: "abc".into(),
            modified_ms: 1_795_341_600_500,
            headers: BTreeMap::new(),
        };
        let outcome = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().unwrap());
            }
            weigh(&headers, &meta)
        };
        let same = "Sun, 22 Nov 2026 10:00:00 GMT";
        let before = "Sun, 22 Nov 2026 09:59:59 GMT";
        assert_eq!(outcome(&[]), Outcome::Proceed);
        assert_eq!(
            outcome(&[("if-none-match", "\"x\", W/\"abc\"")]),
            Outcome::NotModified
        );
        assert_eq!(
            outcome(&[("if-modified-since", same)]),
            Outcome::NotModified
        );
        assert_eq!(outcome(&[("if-modified-since", before)]), Outcome::Proceed);
        assert_eq!(
            outcome(&[("if-none-match", "\"x\""), ("if-modified-since", same)]),
            Outcome::Proceed
        );
        assert_eq!(outcome(&[("if-match", "\"x\"")]), Outcome::Failed);
        assert_eq!(
            outcome(&[("if-match", "\"abc\""), ("if-unmodified-since", before)]),
            Outcome::Proceed
        );
        assert_eq!(outcome(&[("if-unmodified-since", before)]), Outcome::Failed);
    }
}
