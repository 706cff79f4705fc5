use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// The faults of a document, one a line.
#[expect(
    clippy::needless_pass_by_value,
    reason = "reads as `faults(json!(..))`"
)]
fn faults(document: Value) -> String {
    match PolicyDocument::parse(&document) {
        Ok(_) => "no faults".to_owned(),
        Err(faults) => faults
            .iter()
            .map(|fault| format!("{}: {}", fault.path, fault.message))
            .collect::<Vec<_>>()
            .join("\n"),
    }
}

#[test]
fn every_form_of_every_element_is_read() {
    let document = PolicyDocument::parse(&json!({
        "Version": "2012-10-17",
        "Id": "everything",
        "Statement": [
            {
                "Sid": "One", "Effect": "Allow",
                "Principal": {
                    "AWS": ["111122223333", "arn:aws:iam::111122223333:root", "*", "AROAEXAMPLE"],
                    "Service": "ecs-tasks.amazonaws.com",
                    "Federated": "cognito-identity.amazonaws.com",
                    "CanonicalUser": "79a59df900b949e5",
                },
                "Action": "s3:Get*", "Resource": ["arn:aws:s3:::a", "*"],
                "Condition": {"Bool": {"aws:SecureTransport": true}, "NumericLessThan": {"s3:max-keys": 10}},
            },
            {"Effect": "Deny", "NotPrincipal": "*", "NotAction": ["iam:*"], "NotResource": "arn:aws:iam::*:role/*"},
        ],
    }))
    .unwrap();
    let [first, second] = document.statements.as_slice() else {
        panic!("two statements")
    };
    let account = || PrincipalEntry::Account("111122223333".to_owned());
    let mut entries = first.principal.clone().unwrap().entries;
    entries.sort_by_key(|entry| format!("{entry:?}"));
    assert_eq!(
        entries,
        [
            account(),
            account(),
            PrincipalEntry::CanonicalUser("79a59df900b949e5".to_owned()),
            PrincipalEntry::Everyone,
            PrincipalEntry::Federated("cognito-identity.amazonaws.com".to_owned()),
            PrincipalEntry::Service("ecs-tasks.amazonaws.com".to_owned()),
            PrincipalEntry::UniqueId("AROAEXAMPLE".to_owned()),
        ]
    );
    assert_eq!(first.conditions[0].values, ["true"]);
    assert!(second.action.negated && second.resource.as_ref().unwrap().negated);
    assert!(second.principal.as_ref().unwrap().negated);
}

#[test]
fn one_statement_needs_no_list() {
    let document = json!({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}});
    let document = PolicyDocument::parse(&document).unwrap();
    assert_eq!(
        (document.version, document.statements.len()),
        (Version::V2008, 1)
    );
}

#[test]
fn all_faults_are_named_at_once_with_their_path() {
    assert_snapshot!(faults(json!([])), @": a policy document is an object");
    assert_snapshot!(faults(json!({"Version": "2012-10-17"})), @": a policy document needs a `Statement`");
    assert_snapshot!(faults(json!({
        "Version": "2020-01-01",
        "Extra~/": 1,
        "Statement": [
            {"Effect": "allow", "Action": "GetObject", "Resource": "bucket", "Resources": "*"},
            {"Effect": "Allow", "Action": [], "NotAction": "*", "Resource": 5},
            {"Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::1:role/*", "Robot": "x"}, "Action": ["a:b", 7, null],
             "Condition": {
                "StringEqual": {"a": "b"}, "NullIfExists": {"a": "true"}, "IpAddress": {"aws:SourceIp": "10.0.0.0/33"},
                "NumericEquals": {"k": ["1", "one"]}, "DateLessThan": {"k": "tomorrow"}, "Bool": {"k": "yes"}, "Null": "k",
            }},
            "statement",
        ],
    })), @r"
    /Extra~0~1: unknown element `Extra~/`
    /Version: `Version` is `2012-10-17` or `2008-10-17`
    /Statement/0/Resources: unknown element `Resources`
    /Statement/0/Effect: `Effect` is `Allow` or `Deny`
    /Statement/0/Action: `GetObject` is not `service:Operation`
    /Statement/0/Resource: `bucket` is neither an ARN nor `*`
    /Statement/1: `Action` and `NotAction` exclude each other
    /Statement/1/Resource: expected a string or a list of strings
    /Statement/1/Resource: `5` is neither an ARN nor `*`
    /Statement/2/Principal/AWS: `arn:aws:iam::1:role/*`: a principal has no wildcards, other than `*` alone
    /Statement/2/Principal/Robot: unknown kind of principal `Robot`
    /Statement/2/Action/2: expected a string
    /Statement/2/Action/1: `7` is not `service:Operation`
    /Statement/2/Condition/Bool/k: `yes` is not `true` or `false`
    /Statement/2/Condition/DateLessThan/k: `tomorrow` is not an ISO 8601 date
    /Statement/2/Condition/IpAddress/aws:SourceIp: `10.0.0.0/33` is not an IP address or CIDR block
    /Statement/2/Condition/Null: a condition operator holds an object of condition keys
    /Statement/2/Condition/NullIfExists: unknown condition operator `NullIfExists`
    /Statement/2/Condition/NumericEquals/k: `one` is not a number
    /Statement/2/Condition/StringEqual: unknown condition operator `StringEqual`
    /Statement/3: a statement is an object
    ");
}

#[test]
fn a_document_must_suit_its_place() {
    let trust = json!({"Statement": {
        "Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole",
    }});
    let trust = PolicyDocument::parse(&trust).unwrap();
    let faults = |kind| {
        trust
            .faults_as(kind)
            .iter()
            .map(|fault| format!("{} {}", fault.path, fault.message))
            .collect::<Vec<_>>()
    };
    assert_eq!(faults(PolicyKind::Trust), [""; 0]);
    assert_eq!(
        faults(PolicyKind::Identity),
        [
            "/Statement/0/Principal a policy of this kind has no `Principal`",
            "/Statement/0 a statement needs `Resource` or `NotResource`"
        ]
    );
}

/// Any JSON at all, shaped like a policy often enough to get far.
fn json_like() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("*"),
        Just("Allow"),
        Just("Deny"),
        Just("2012-10-17"),
        Just("s3:Get*"),
        Just("arn:aws:s3:::x"),
        Just("${aws:username}"),
        Just("${"),
        Just("1"),
        Just("true"),
        Just("10.0.0.0/8"),
        Just(""),
    ];
    let key = prop_oneof![
        Just("Version"),
        Just("Statement"),
        Just("Effect"),
        Just("Action"),
        Just("NotAction"),
        Just("Resource"),
        Just("Principal"),
        Just("AWS"),
        Just("Condition"),
        Just("StringLike"),
        Just("ForAllValues:ArnLike"),
        Just("IpAddress"),
        Just("DateEquals"),
        Just("aws:SourceIp"),
        Just("Sid"),
    ];
    let leaf = prop_oneof![
        4 => word.prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i32>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            proptest::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn parsing_never_panics_and_names_real_paths(document in json_like()) {
        if let Err(faults) = PolicyDocument::parse(&document) {
            prop_assert!(!faults.is_empty());
            for fault in faults {
                // a missing element is named by where it should be: its parent exists
                let parent = fault.path.rsplit_once('/').map_or("", |(parent, _)| parent);
                prop_assert!(document.pointer(parent).is_some(), "{}", fault.path);
            }
        }
    }
}
