use serde_json::{Value, json};

use crate::{Context, PolicyDocument, Principal, Request};

/// Whether `{"OPERATOR": {"KEY": VALUES}}` holds when the key has these values.
#[expect(
    clippy::needless_pass_by_value,
    reason = "reads as `holds(.., json!(..), ..)`"
)]
fn holds(operator: &str, expected: Value, found: &[&str]) -> bool {
    let condition = json!({operator: {"test:Key": expected}});
    let mut context = Context::new();
    if !found.is_empty() {
        context.set_all("TEST:key", found.iter().copied());
    }
    holds_in(&condition, &Principal::root("111122223333"), &context)
}

fn holds_in(condition: &Value, principal: &Principal, context: &Context) -> bool {
    let document = json!({"Version": "2012-10-17", "Statement":
        {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}});
    let document = PolicyDocument::parse(&document).unwrap_or_else(|faults| panic!("{faults:?}"));
    let request = Request {
        principal,
        action: "a:b",
        resource: "*",
        resource_account: None,
        context,
    };
    document.statements[0]
        .conditions
        .iter()
        .all(|condition| condition.holds(&request))
}

#[test]
fn operators() {
    // operator, policy value(s), request value(s), whether it holds
    let table: &[(&str, Value, &[&str], bool)] = &[
        ("StringEquals", json!("a"), &["a"], true),
        ("StringEquals", json!("a"), &["A"], false),
        ("StringEquals", json!("a*"), &["ab"], false),
        ("StringEquals", json!(["x", "a"]), &["a"], true),
        ("StringNotEquals", json!(["x", "a"]), &["a"], false),
        ("StringNotEquals", json!(["x", "y"]), &["a"], true),
        ("StringEqualsIgnoreCase", json!("Ä1"), &["ä1"], true),
        ("StringNotEqualsIgnoreCase", json!("A"), &["a"], false),
        ("StringLike", json!("a*?c"), &["axyc"], true),
        ("StringLike", json!("a*"), &["Ab"], false),
        (
            "StringLike",
            json!("repo:org/*:ref:refs/heads/main"),
            &["repo:org/x:ref:refs/heads/main"],
            true,
        ),
        ("StringNotLike", json!("a*"), &["ab"], false),
        ("NumericEquals", json!(10), &["10.0"], true),
        ("NumericNotEquals", json!("10"), &["10"], false),
        ("NumericLessThan", json!("10"), &["9.5"], true),
        ("NumericLessThan", json!("10"), &["10"], false),
        ("NumericLessThanEquals", json!("10"), &["10"], true),
        ("NumericGreaterThan", json!(["5", "100"]), &["6"], true),
        ("NumericGreaterThanEquals", json!("5"), &["4"], false),
        ("NumericLessThan", json!("10"), &["nine"], false),
        (
            "DateLessThan",
            json!("2026-11-22T00:00:00Z"),
            &["2026-11-21T23:59:59Z"],
            true,
        ),
        (
            "DateLessThan",
            json!("2026-11-22"),
            &["2026-11-22T00:00:00Z"],
            false,
        ),
        (
            "DateGreaterThan",
            json!("2026-11-22T09:00+09:00"),
            &["2026-11-22T00:00:01Z"],
            true,
        ),
        (
            "DateEquals",
            json!("1795305600"),
            &["2026-11-22T00:00:00Z"],
            true,
        ),
        ("DateGreaterThanEquals", json!("2026"), &["soon"], false),
        (
            "DateNotEquals",
            json!("2026-11"),
            &["2026-11-01T00:00:00Z"],
            false,
        ),
        (
            "DateLessThanEquals",
            json!("2026-11-22"),
            &["2026-11-22"],
            true,
        ),
        ("Bool", json!("true"), &["TRUE"], true),
        ("Bool", json!(false), &["true"], false),
        ("Bool", json!("false"), &["maybe"], false),
        (
            "BinaryEquals",
            json!("QmluYXJ5VmFsdWU="),
            &["QmluYXJ5VmFsdWU="],
            true,
        ),
        (
            "BinaryEquals",
            json!("QmluYXJ5VmFsdWU="),
            &["QmluYXJ5VmFsdWX="],
            false,
        ),
        ("IpAddress", json!("10.0.0.0/8"), &["10.1.2.3"], true),
        (
            "IpAddress",
            json!(["192.0.2.1", "2001:db8::/32"]),
            &["2001:db8::1"],
            true,
        ),
        ("IpAddress", json!("0.0.0.0/0"), &["2001:db8::1"], false),
        ("NotIpAddress", json!("10.0.0.0/8"), &["10.1.2.3"], false),
        ("NotIpAddress", json!("10.0.0.0/8"), &["192.0.2.1"], true),
        (
            "ArnEquals",
            json!("arn:aws:sns:*:1:t"),
            &["arn:aws:sns:eu:1:t"],
            true,
        ),
        (
            "ArnLike",
            json!("arn:aws:s*:1:t"),
            &["arn:aws:sns:eu:1:t"],
            false,
        ),
        (
            "ArnNotEquals",
            json!("arn:aws:sns:eu:1:t"),
            &["arn:aws:sns:eu:1:t"],
            false,
        ),
        (
            "ArnNotLike",
            json!("arn:aws:sns:eu:1:*"),
            &["arn:aws:sns:us:1:t"],
            true,
        ),
        ("Null", json!("true"), &[], true),
        ("Null", json!(true), &["x"], false),
        ("Null", json!("false"), &["x"], true),
        ("Null", json!("false"), &[], false),
    ];
    for (operator, expected, found, outcome) in table {
        assert_eq!(
            holds(operator, expected.clone(), found),
            *outcome,
            "{operator} {expected} {found:?}"
        );
    }
}

#[test]
fn an_absent_key() {
    for (operator, outcome) in [
        ("StringEquals", false),
        ("StringNotEquals", true),
        ("StringEqualsIfExists", true),
        ("StringNotEqualsIfExists", true),
        ("ForAllValues:StringEquals", true),
        ("ForAllValues:StringNotEquals", true),
        ("ForAnyValue:StringEquals", false),
        ("ForAnyValue:StringNotEquals", false),
        ("ForAnyValue:StringEqualsIfExists", true),
    ] {
        assert_eq!(holds(operator, json!("a"), &[]), outcome, "{operator}");
    }
    assert!(!holds("IpAddress", json!("0.0.0.0/0"), &[]));
    assert!(holds("NotIpAddress", json!("10.0.0.0/8"), &[]));
    assert!(holds("BoolIfExists", json!("true"), &[]));
}

#[test]
fn several_values() {
    for (operator, found, outcome) in [
        ("ForAllValues:StringEquals", &["a", "b"][..], true),
        ("ForAllValues:StringEquals", &["a", "c"], false),
        ("ForAnyValue:StringEquals", &["c", "a"], true),
        ("ForAnyValue:StringEquals", &["c", "d"], false),
        ("ForAllValues:StringNotEquals", &["c", "d"], true),
        ("ForAllValues:StringNotEquals", &["c", "a"], false),
        ("ForAnyValue:StringNotEquals", &["c", "a"], true),
        ("ForAnyValue:StringNotEquals", &["b", "a"], false),
        ("ForAnyValue:StringLike", &["c", "ab"], false),
        ("StringEquals", &["c", "a"], true),
        ("StringNotEquals", &["c", "a"], false),
    ] {
        assert_eq!(
            holds(operator, json!(["a", "b"]), found),
            outcome,
            "{operator} {found:?}"
        );
    }
}

#[test]
fn keys_that_follow_from_the_principal_cannot_be_claimed() {
    let session = Principal::role_session("arn:aws:iam::111122223333:role/app/R", "s")
        .unwrap()
        .with_tags([("Team", "futsal")]);
    let context = Context::new()
        .with("aws:PrincipalTag/Team", "admin")
        .with("aws:PrincipalTag/Boss", "yes")
        .with("aws:PrincipalArn", "arn:aws:iam::111122223333:root");
    let holds = |condition: Value| holds_in(&condition, &session, &context);
    assert!(holds(
        json!({"StringEquals": {"aws:principaltag/team": "futsal"}})
    ));
    assert!(holds(json!({"Null": {"aws:PrincipalTag/Boss": "true"}})));
    assert!(holds(
        json!({"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/app/R"}})
    ));
    assert!(holds(
        json!({"StringEquals": {"aws:PrincipalType": "AssumedRole", "aws:PrincipalAccount": "111122223333"}})
    ));
    assert!(holds(
        json!({"StringEquals": {"aws:ResourceAccount": "111122223333"}})
    ));
    assert!(holds(json!({"Null": {"aws:username": "true"}})));
}

#[test]
fn variables_in_conditions() {
    let session = Principal::role_session("arn:aws:iam::111122223333:role/R", "s")
        .unwrap()
        .with_tags([("Project", "Kickytime")]);
    let context = Context::new()
        .with("aws:ResourceTag/Project", "kickytime")
        .with("aws:RequestTag/Project", "Kickytime");
    let holds = |condition: Value| holds_in(&condition, &session, &context);
    let same = "${aws:PrincipalTag/Project}";
    assert!(holds(
        json!({"StringEquals": {"aws:RequestTag/Project": same}})
    ));
    assert!(!holds(
        json!({"StringEquals": {"aws:ResourceTag/Project": same}})
    ));
    assert!(holds(
        json!({"StringEqualsIgnoreCase": {"aws:ResourceTag/Project": same}})
    ));
    assert!(!holds(
        json!({"StringLike": {"aws:RequestTag/Project": "${aws:PrincipalTag/None}*"}})
    ));
    assert!(holds(
        json!({"StringEquals": {"aws:RequestTag/Project": "${aws:PrincipalTag/None, 'Kickytime'}"}})
    ));
    // an unresolved variable matches nothing, so a negated operator holds
    assert!(holds(
        json!({"StringNotEquals": {"aws:RequestTag/Project": "${aws:PrincipalTag/None}"}})
    ));
}
