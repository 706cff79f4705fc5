use std::time::UNIX_EPOCH;

use super::*;

fn fields(list: &[(&'static str, &str)]) -> HeaderMap {
    list.iter()
        .map(|&(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
        .collect()
}

#[test]
fn the_origin_decides_between_the_policys_ends() {
    let policy = CachePolicy {
        min_ttl: Duration::from_secs(5),
        default_ttl: Duration::from_secs(100),
        max_ttl: Duration::from_secs(1000),
        query_in_key: false,
    };
    let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
    let seconds =
        |list: &[(&'static str, &str)]| time_to_live(&fields(list), &policy, now).as_secs();
    assert_eq!(seconds(&[]), 100);
    assert_eq!(seconds(&[("cache-control", "public, max-age=60")]), 60);
    assert_eq!(
        seconds(&[("cache-control", "max-age=60, S-MaxAge=\"70\"")]),
        70
    );
    assert_eq!(seconds(&[("cache-control", "max-age=1")]), 5);
    assert_eq!(seconds(&[("cache-control", "max-age=99999")]), 1000);
    assert_eq!(seconds(&[("cache-control", "no-store, max-age=60")]), 5);
    assert_eq!(seconds(&[("cache-control", "max-age=x")]), 5);
    assert_eq!(seconds(&[("expires", "Sun, 06 Nov 1994 08:50:37 GMT")]), 60);
    assert_eq!(
        seconds(&[
            ("expires", "Sun, 06 Nov 1994 08:50:37 GMT"),
            ("cache-control", "max-age=6")
        ]),
        6
    );
    assert_eq!(seconds(&[("expires", "0")]), 5);
    let disabled = time_to_live(
        &fields(&[("cache-control", "max-age=60")]),
        &CachePolicy::DISABLED,
        now,
    );
    assert_eq!(disabled, Duration::ZERO);
}

#[test]
fn the_cache_is_bounded_and_forgets_the_unused_first() {
    let cache = Cache::new(3 * 2048);
    let now = UNIX_EPOCH;
    let store = |key: &str| {
        let (parts, ()) = Response::new(()).into_parts();
        cache.store(
            key.to_owned(),
            &parts,
            Bytes::from(vec![0; 1024]),
            Duration::from_secs(9),
            now,
        )
    };
    let has = |key: &str| matches!(cache.find(key, now), Found::Fresh(_));
    for key in ["a", "b", "c"] {
        store(key);
    }
    assert!(has("a"), "and so `b` is the one unused for longest");
    store("d");
    assert_eq!(
        [has("a"), has("b"), has("c"), has("d")],
        [true, false, true, true]
    );
    store("d");
    assert_eq!(
        [has("a"), has("c"), has("d")],
        [true, true, true],
        "the same key takes its own place"
    );
    assert!(matches!(
        cache.find("a", now + Duration::from_secs(9)),
        Found::Stale(_)
    ));
}

#[test]
fn a_viewer_that_has_it_is_told_so() {
    let (mut parts, ()) = Response::new(()).into_parts();
    parts.headers = fields(&[("etag", "W/\"1\""), ("content-length", "3")]);
    let cache = Cache::new(10_000);
    let object = cache.store(
        "a".into(),
        &parts,
        "abc".into(),
        Duration::from_secs(9),
        UNIX_EPOCH,
    );
    let status = |tags: &str| {
        let viewer = fields(&[("if-none-match", tags)]);
        object
            .response(&viewer, false, UNIX_EPOCH + Duration::from_secs(7))
            .status()
            .as_u16()
    };
    assert_eq!(
        [
            status("\"1\""),
            status("\"0\", W/\"1\""),
            status("*"),
            status("\"2\"")
        ],
        [304, 304, 304, 200]
    );
    let response = object.response(
        &HeaderMap::new(),
        false,
        UNIX_EPOCH + Duration::from_secs(7),
    );
    assert_eq!(response.headers()["age"], "7");
}
