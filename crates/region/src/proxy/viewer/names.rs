//! Public names and their twins on the door.

use crate::blueprint::distribution::ViewerDoor;
use crate::proxy::headers::split_host;

/// Whether a `Host` (with or without port) means this machine: `localhost`,
/// anything under it, or the loopback address. Doors refuse all others.
pub fn is_local(host: &str) -> bool {
    let (host, _) = split_host(host);
    let host = host.to_ascii_lowercase();
    matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]") || host.ends_with(".localhost")
}

/// Both directions of the translation for one request.
pub(super) struct Names {
    /// `https://NAME` and `http://TWIN`.
    pairs: Vec<(String, String)>,
}

impl Names {
    /// `host` is what the browser calls the door, with its port.
    pub(super) fn new(door: &ViewerDoor, host: &str) -> Self {
        let (name, port) = split_host(host);
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        // seen from a name's twin, the site is plain localhost
        let own = if name.ends_with(".localhost") {
            "localhost"
        } else {
            name
        };
        let pairs = door
            .names
            .keys()
            .map(|name| {
                let twin = if *name == door.site {
                    format!("http://{own}{port}")
                } else {
                    format!("http://{name}.localhost{port}")
                };
                (format!("https://{name}"), twin)
            })
            .collect();
        Self { pairs }
    }

    /// Public origins to their twins.
    pub(super) fn to_local(&self, text: &str) -> String {
        self.pairs
            .iter()
            .fold(text.to_owned(), |text, (public, local)| {
                replace_origin(
                    &text.replace(&format!("{public}:443"), public),
                    public,
                    local,
                )
            })
    }

    /// Twins to public origins.
    pub(super) fn to_public(&self, text: &str) -> String {
        self.pairs
            .iter()
            .fold(text.to_owned(), |text, (public, local)| {
                replace_origin(&text, local, public)
            })
    }

    /// A content security policy, which must not make the browser ask for HTTPS on the door.
    pub(super) fn policy_to_local(&self, policy: &str) -> String {
        let directives = policy
            .split(';')
            .map(str::trim)
            .filter(|directive| !directive.eq_ignore_ascii_case("upgrade-insecure-requests"));
        self.to_local(&directives.collect::<Vec<_>>().join("; "))
    }
}

/// Replaces `from` wherever the origin ends there: `https://a.example` is not in
/// `https://a.example.org`.
fn replace_origin(text: &str, from: &str, to: &str) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(from) {
        let (before, found) = rest.split_at(at);
        let after = &found[from.len()..];
        let ends = !after.starts_with(|next: char| {
            next.is_ascii_alphanumeric() || matches!(next, '.' | '-' | ':' | '@')
        });
        replaced.push_str(before);
        replaced.push_str(if ends { to } else { from });
        rest = after;
    }
    replaced.push_str(rest);
    replaced
}

/// A cookie the browser keeps although the door is not HTTPS: without `Secure`
/// (and so without `SameSite=None`, which needs it) and without `Domain`.
///
/// Cookies whose name demands `Secure` keep it; browsers that trust localhost
/// take them.
pub(super) fn cookie_to_local(cookie: &str) -> String {
    let demanding = cookie.starts_with("__Host-") || cookie.starts_with("__Secure-");
    let attributes = cookie.split(';').enumerate().filter_map(|(at, attribute)| {
        let word = attribute.trim().to_ascii_lowercase();
        let dropped = match word.as_str() {
            "secure" => !demanding,
            "samesite=none" => !demanding,
            domain => domain.starts_with("domain="),
        };
        (at == 0 || !dropped).then_some(attribute)
    });
    attributes.collect::<Vec<_>>().join(";")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const COGNITO: &str = "kt.auth.ap-northeast-2.amazoncognito.com";

    fn names(host: &str) -> Names {
        let address = "198.51.100.1:443".parse().unwrap();
        let names = ["kickytime.example", COGNITO].map(|name| (name.to_owned(), address));
        let door = ViewerDoor {
            site: "kickytime.example".into(),
            names: names.into(),
            rewritten_paths: BTreeSet::new(),
        };
        Names::new(&door, host)
    }

    #[test]
    fn origins_are_translated_both_ways_and_only_whole() {
        let names = names("localhost:8000");
        for (public, local) in [
            ("https://kickytime.example/a?b", "http://localhost:8000/a?b"),
            (
                "https://kt.auth.ap-northeast-2.amazoncognito.com/login",
                "http://kt.auth.ap-northeast-2.amazoncognito.com.localhost:8000/login",
            ),
            (
                "https://kickytime.example.org/",
                "https://kickytime.example.org/",
            ),
            ("/relative", "/relative"),
        ] {
            assert_eq!(names.to_local(public), local);
            assert_eq!(names.to_public(local), public);
        }
        assert_eq!(
            names.to_local("https://kickytime.example:443/a"),
            "http://localhost:8000/a"
        );
        assert_eq!(
            names.to_public("http://localhost:80001/"),
            "http://localhost:80001/"
        );
        assert_eq!(
            self::names("127.0.0.1:8000").to_local("https://kickytime.example"),
            "http://127.0.0.1:8000"
        );
        let seen_from_twin = self::names(&format!("{COGNITO}.localhost:8000"));
        assert_eq!(
            seen_from_twin.to_local("https://kickytime.example/"),
            "http://localhost:8000/"
        );
    }

    #[test]
    fn a_policy_does_not_ask_for_https_on_the_door() {
        let policy = names("localhost:8000").policy_to_local(&format!(
            "default-src 'self'; upgrade-insecure-requests; connect-src 'self' https://{COGNITO}; form-action https://{COGNITO}"
        ));
        insta::assert_snapshot!(policy, @"default-src 'self'; connect-src 'self' http://kt.auth.ap-northeast-2.amazoncognito.com.localhost:8000; form-action http://kt.auth.ap-northeast-2.amazoncognito.com.localhost:8000");
    }

    #[test]
    fn cookies_lose_what_a_plain_door_cannot_keep() {
        let cookie = |text| cookie_to_local(text);
        assert_eq!(
            cookie("a=b; Secure; HttpOnly; SameSite=None; Domain=x.example"),
            "a=b; HttpOnly"
        );
        assert_eq!(cookie("secure=1; Path=/"), "secure=1; Path=/");
        assert_eq!(
            cookie("__Host-a=b; Secure; Path=/"),
            "__Host-a=b; Secure; Path=/"
        );
    }

    #[test]
    fn only_this_machine_is_local() {
        for host in [
            "localhost",
            "LOCALHOST:8000",
            "127.0.0.1:4566",
            "[::1]:80",
            "s3.localhost",
        ] {
            assert!(is_local(host), "{host}");
        }
        for host in [
            "",
            "evil.example:8000",
            "localhost.evil.example",
            "127.0.0.1.nip.example",
            "10.0.0.1",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }
}
