//! How is a long list cut into pages?
//!
//! By a cursor, the id of the last row shown, newest first: rows that arrive
//! meanwhile move nothing. The next page's address is in the `Link` header
//! (RFC 8288).

use axum::http::{HeaderMap, HeaderValue, header};

use crate::input::Faults;

pub const DEFAULT_LIMIT: i64 = 50;
const LARGEST_LIMIT: i64 = 100;

/// The number of rows asked for.
pub fn limit(asked: Option<i64>, faults: &mut Faults) -> i64 {
    let limit = asked.unwrap_or(DEFAULT_LIMIT);
    if !(1..=LARGEST_LIMIT).contains(&limit) {
        faults.add("limit", "must be 1 to 100");
    }
    limit
}

/// Drops the row beyond the page. The last row of the page, if more follow.
pub fn cut<T>(rows: &mut Vec<T>, limit: i64) -> Option<&T> {
    let limit = usize::try_from(limit).unwrap_or(0);
    if rows.len() <= limit {
        return None;
    }
    rows.truncate(limit);
    rows.last()
}

/// A `Link` header to the page after `cursor`, with the filter kept.
#[must_use]
pub fn link(path: &str, filter: &[(&str, Option<String>)], cursor: Option<i64>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some(cursor) = cursor else { return headers };
    let mut query = format!("cursor={cursor}");
    for (name, value) in filter {
        if let Some(value) = value {
            query.push('&');
            query.push_str(name);
            query.push('=');
            query.extend(value.bytes().map(escape));
        }
    }
    if let Ok(value) = HeaderValue::from_str(&format!("<{path}?{query}>; rel=\"next\"")) {
        headers.insert(header::LINK, value);
    }
    headers
}

/// Percent-encodes all but RFC 3986's unreserved characters.
fn escape(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_page_has_no_next() {
        let mut rows = vec![3, 2, 1];
        assert_eq!(cut(&mut rows, 3), None);
        assert_eq!(cut(&mut rows, 2), Some(&2));
        assert_eq!(rows, [3, 2]);
    }

    #[test]
    fn the_next_page_keeps_the_filter_escaped() {
        let filter = [
            ("status", None),
            ("from", Some("2026-12-01T20:00:00+09:00".to_owned())),
        ];
        let headers = link("/api/matches", &filter, Some(17));
        assert_eq!(
            headers[header::LINK],
            "</api/matches?cursor=17&from=2026-12-01T20%3A00%3A00%2B09%3A00>; rel=\"next\""
        );
        assert!(link("/api/matches", &filter, None).is_empty());
    }
}
