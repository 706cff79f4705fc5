use http::Request;

use super::*;
use crate::blueprint::balancer::{Action, FixedResponse, ListenerProtocol};
use crate::blueprint::distribution::SecretText;

fn listener(rules: Vec<(u32, Vec<Condition>)>) -> Listener {
    let action = Action::FixedResponse(FixedResponse {
        status: http::StatusCode::OK,
        content_type: None,
        body: String::new(),
    });
    let rules = rules
        .into_iter()
        .map(|(priority, conditions)| Rule {
            priority,
            conditions,
            action: action.clone(),
        })
        .collect();
    Listener {
        port: 80,
        protocol: ListenerProtocol::Http,
        rules,
        default_action: action,
    }
}

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(|&value| value.to_owned()).collect()
}

/// Whether one condition holds for `METHOD URL` with one header.
fn one(condition: Condition, method: &str, uri: &str, header: (&str, &str)) -> bool {
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header(header.0, header.1)
        .body(())
        .unwrap();
    let (parts, ()) = request.into_parts();
    let listener = listener(vec![(1, vec![condition])]);
    let asked = Asked {
        parts: &parts,
        authority: "Kickytime.Example:443",
        source: "203.0.113.9".parse().unwrap(),
    };
    matching(&listener, &asked).is_some()
}

#[test]
fn each_condition_type_looks_where_aws_says() {
    let get = |condition, uri| one(condition, "GET", uri, ("x-origin-secret", "Abc"));
    let path = |pattern: &str| Condition::PathPattern(texts(&[pattern]));
    assert!(get(path("/api/matches*"), "/api/matches/1?x=/other"));
    assert!(
        !get(path("/api/matches*"), "/api/Matches"),
        "paths are case-sensitive"
    );
    assert!(!get(path("/api/matches"), "/api/matches/1"));
    assert!(get(path("/api/match?s"), "/api/matches"));
    assert!(!get(path("*x=1"), "/a?x=1"), "the query is not the path");

    let host = |pattern: &str| Condition::HostHeader(texts(&["no.example", pattern]));
    assert!(get(host("*.EXAMPLE"), "/"));
    assert!(
        !get(host("kickytime.example:443"), "/"),
        "the port is not the host"
    );

    let header = |value: &str| Condition::HttpHeader {
        name: "X-Origin-Secret".into(),
        values: vec![SecretText(value.into())],
    };
    assert!(!format!("{:?}", header("aB?")).contains("aB"));
    assert!(get(header("aB?"), "/"));
    assert!(!get(header("ab"), "/"));

    let method = Condition::HttpRequestMethod(texts(&["POST", "GET"]));
    assert!(get(method.clone(), "/"));
    assert!(
        !one(method, "get", "/", ("a", "b")),
        "methods are case-sensitive"
    );

    let query = |key: Option<&str>, value: &str| {
        Condition::QueryString(vec![QueryPattern {
            key: key.map(str::to_owned),
            value: value.into(),
        }])
    };
    assert!(get(query(Some("version"), "v1*"), "/?a=b&VERSION=V12"));
    assert!(get(query(None, "b"), "/?a=b"));
    assert!(!get(query(Some("a"), "b"), "/?b=a"));
    assert!(!get(query(None, "*"), "/"), "no query, no parameter");

    let source = |range: &str| Condition::SourceIp(vec![range.parse().unwrap()]);
    assert!(get(source("203.0.113.0/24"), "/"));
    assert!(!get(source("10.0.0.0/8"), "/"));
}

#[test]
fn all_conditions_must_hold_and_the_lowest_priority_wins() {
    let path = |pattern: &str| Condition::PathPattern(texts(&[pattern]));
    let post = Condition::HttpRequestMethod(texts(&["POST"]));
    let listener = listener(vec![
        (20, vec![path("/*")]),
        (10, vec![path("/a*")]),
        (5, vec![path("/a*"), post]),
    ]);
    let (parts, ()) = Request::get("/abc").body(()).unwrap().into_parts();
    let asked = Asked {
        parts: &parts,
        authority: "h",
        source: "::1".parse().unwrap(),
    };
    assert_eq!(matching(&listener, &asked).unwrap().priority, 10);
}
