//! Objects kept in memory, and for how long.
//!
//! Amazon CloudFront developer guide, "Manage how long content stays in the
//! cache": the origin's `Cache-Control` or `Expires`, held between the policy's
//! shortest and longest time. Time is an argument.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::response;
use http::{Response, StatusCode, Uri};

use crate::blueprint::distribution::{CacheBehavior, CachePolicy};
use crate::serve::{Body, empty, full};

/// What is told apart: the origin, the path, and the query if the policy says so.
pub(super) fn key(behavior: &CacheBehavior, uri: &Uri) -> String {
    let query = uri
        .query()
        .filter(|_| behavior.cache.query_in_key)
        .unwrap_or_default();
    format!("{}\n{}\n{query}", behavior.origin.0, uri.path())
}

/// An object, shared by all who are reading it.
#[derive(Debug, Clone)]
pub(super) struct Object(Arc<Stored>);

#[derive(Debug)]
struct Stored {
    headers: HeaderMap,
    bytes: Bytes,
    stored_at: SystemTime,
    fresh_until: SystemTime,
}

/// What the cache knows of a key.
#[derive(Debug)]
pub(super) enum Found {
    Fresh(Object),
    Stale(Object),
    Nothing,
}

/// Objects by key, at most so many bytes; the one unused for longest goes first.
#[derive(Debug)]
pub(super) struct Cache {
    limit_bytes: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    objects: BTreeMap<String, (Object, u64)>,
    by_use: BTreeMap<u64, String>,
    clock: u64,
    bytes: usize,
}

impl Cache {
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            kept: Mutex::default(),
        }
    }

    pub(super) fn find(&self, key: &str, now: SystemTime) -> Found {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.touch(key) {
            Some(object) if now < object.0.fresh_until => Found::Fresh(object),
            Some(object) => Found::Stale(object),
            None => Found::Nothing,
        }
    }

    pub(super) fn store(
        &self,
        key: String,
        parts: &response::Parts,
        bytes: Bytes,
        ttl: Duration,
        now: SystemTime,
    ) -> Object {
        let object = Object(Arc::new(Stored {
            headers: parts.headers.clone(),
            bytes,
            stored_at: now,
            fresh_until: now + ttl,
        }));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(key, object.clone(), self.limit_bytes);
        object
    }

    /// The origin said that a stale object is still good.
    pub(super) fn renew(
        &self,
        key: &str,
        stale: &Object,
        answer: &HeaderMap,
        policy: &CachePolicy,
        now: SystemTime,
    ) -> Object {
        let mut headers = stale.0.headers.clone();
        for name in [
            header::CACHE_CONTROL,
            header::EXPIRES,
            header::ETAG,
            header::DATE,
            header::LAST_MODIFIED,
        ] {
            if let Some(value) = answer.get(&name) {
                headers.insert(name, value.clone());
            }
        }
        let fresh_until = now + time_to_live(&headers, policy, now);
        let bytes = stale.0.bytes.clone();
        let object = Object(Arc::new(Stored {
            headers,
            bytes,
            stored_at: now,
            fresh_until,
        }));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(key.to_owned(), object.clone(), self.limit_bytes);
        object
    }
}

impl Kept {
    fn touch(&mut self, key: &str) -> Option<Object> {
        self.clock += 1;
        let (object, used) = self.objects.get_mut(key)?;
        self.by_use.remove(used);
        *used = self.clock;
        self.by_use.insert(self.clock, key.to_owned());
        Some(object.clone())
    }

    fn insert(&mut self, key: String, object: Object, limit_bytes: usize) {
        self.remove(&key);
        self.clock += 1;
        self.bytes += object.weight();
        self.by_use.insert(self.clock, key.clone());
        self.objects.insert(key, (object, self.clock));
        while self.bytes > limit_bytes
            && let Some((_, oldest)) = self.by_use.first_key_value()
        {
            let oldest = oldest.clone();
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, key: &str) {
        if let Some((object, used)) = self.objects.remove(key) {
            self.by_use.remove(&used);
            self.bytes -= object.weight();
        }
    }
}

impl Object {
    /// Bytes it takes, with something for its fields.
    fn weight(&self) -> usize {
        self.0.bytes.len() + 1024
    }

    /// The object for one viewer: 304 if the viewer has it already.
    pub(super) fn response(
        &self,
        viewer: &HeaderMap,
        head: bool,
        now: SystemTime,
    ) -> Response<Body> {
        let has_it = self.0.headers.get(header::ETAG).is_some_and(|tag| {
            let tags = viewer.get_all(header::IF_NONE_MATCH).iter();
            tags.filter_map(|tags| tags.to_str().ok())
                .any(|tags| lists(tags, tag))
        });
        let mut response = match (has_it, head) {
            (true, _) | (_, true) => Response::new(empty()),
            _ => Response::new(full(self.0.bytes.clone())),
        };
        *response.headers_mut() = self.0.headers.clone();
        if has_it {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response.headers_mut().remove(header::CONTENT_LENGTH);
        }
        let age = now
            .duration_since(self.0.stored_at)
            .unwrap_or_default()
            .as_secs();
        if age > 0 {
            response
                .headers_mut()
                .insert(header::AGE, HeaderValue::from(age));
        }
        response
    }

    /// Asks the origin only whether the object has changed.
    pub(super) fn make_conditional(&self, headers: &mut HeaderMap) {
        let pairs: [(HeaderName, HeaderName); 2] = [
            (header::ETAG, header::IF_NONE_MATCH),
            (header::LAST_MODIFIED, header::IF_MODIFIED_SINCE),
        ];
        for (have, ask) in pairs {
            if let Some(value) = self.0.headers.get(&have) {
                headers.insert(ask, value.clone());
            }
        }
    }
}

/// Whether a list of entity tags has this one (weak comparison, RFC 9110 §8.8.3.2).
fn lists(tags: &str, tag: &HeaderValue) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let Ok(wanted) = tag.to_str().map(opaque) else {
        return false;
    };
    tags.trim() == "*" || tags.split(',').any(|listed| opaque(listed) == wanted)
}

/// How long an object with these fields is kept.
pub(super) fn time_to_live(headers: &HeaderMap, policy: &CachePolicy, now: SystemTime) -> Duration {
    let mut shared = None;
    let mut private = None;
    let controls = headers.get_all(header::CACHE_CONTROL).iter();
    for directive in controls
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
    {
        let (name, value) = directive
            .trim()
            .split_once('=')
            .unwrap_or((directive.trim(), ""));
        let seconds = || {
            value
                .trim_matches('"')
                .parse()
                .map_or(Duration::ZERO, Duration::from_secs)
        };
        match name.to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" | "private" => return policy.min_ttl,
            "s-maxage" => shared = Some(seconds()),
            "max-age" => private = Some(seconds()),
            _ => {}
        }
    }
    let said = shared.or(private).or_else(|| expires(headers, now));
    said.unwrap_or(policy.default_ttl)
        .clamp(policy.min_ttl, policy.max_ttl.max(policy.min_ttl))
}

fn expires(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(header::EXPIRES)?.to_str().ok()?;
    let format = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    // what is not a date is in the past (RFC 9111 §5.3)
    let Ok(at) = time::PrimitiveDateTime::parse(text, format) else {
        return Some(Duration::ZERO);
    };
    Some(
        SystemTime::from(at.assume_utc())
            .duration_since(now)
            .unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests;
