//! [`evaluate`] against the reference, and properties of the answer itself.

use proptest::prelude::*;
use proptest::sample::select;

use super::reference::{Answer, Question, answer};
use super::*;

const ACCOUNT: &str = "111122223333";

fn words(words: &[&str]) -> BoxedStrategy<Value> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    prop_oneof![
        select(words.clone()).prop_map(Value::from),
        proptest::collection::vec(select(words), 1..3).prop_map(Value::from),
    ]
    .boxed()
}

fn condition() -> impl Strategy<Value = Value> {
    let operator = select(vec![
        "StringEquals",
        "StringNotEquals",
        "StringLike",
        "StringNotLike",
        "StringEqualsIfExists",
        "StringNotLikeIfExists",
        "ForAllValues:StringEquals",
        "ForAnyValue:StringEquals",
        "ForAllValues:StringNotLike",
        "ForAnyValue:StringNotEquals",
    ]);
    let key = select(vec!["aws:SourceVpce", "AWS:requesttag/Team", "aws:TagKeys"]);
    prop_oneof![
        6 => (operator, key.clone(), words(&["a", "b", "ab", "a*", "?b"]))
            .prop_map(|(operator, key, values)| json!({operator: {key: values}})),
        1 => (key, words(&["true", "false"])).prop_map(|(key, values)| json!({"Null": {key: values}})),
        1 => words(&["1", "5"]).prop_map(|values| json!({"NumericLessThan": {"s3:max-keys": values}})),
    ]
}

fn statement(with_principal: bool) -> impl Strategy<Value = Value> {
    let principals = words(&[
        "*",
        ACCOUNT,
        "arn:aws:iam::111122223333:root",
        "arn:aws:iam::111122223333:role/R",
        "arn:aws:sts::111122223333:assumed-role/R/s",
        "999988887777",
        "arn:aws:iam::111122223333:role/Q",
    ]);
    (
        select(vec!["Allow", "Allow", "Allow", "Deny"]),
        select(vec!["Action", "Action", "Action", "NotAction"]),
        words(&[
            "*",
            "s3:*",
            "S3:Get*",
            "s3:GetObject",
            "kms:*",
            "s3:?etObject",
        ]),
        select(vec!["Resource", "Resource", "Resource", "NotResource"]),
        words(&[
            "*",
            "arn:aws:s3:::b/*",
            "arn:aws:s3:::b/k",
            "arn:*:b/k",
            "arn:aws:s*:b/k",
            "arn:aws:s3:?::*",
        ]),
        principals,
        proptest::option::weighted(0.4, condition()),
    )
        .prop_map(
            move |(effect, action, actions, resource, resources, principal, condition)| {
                let mut statement = json!({"Effect": effect, action: actions, resource: resources});
                if with_principal {
                    statement["Principal"] = json!({"AWS": principal});
                }
                if let Some(condition) = condition {
                    statement["Condition"] = condition;
                }
                statement
            },
        )
}

fn document(with_principal: bool) -> impl Strategy<Value = Value> {
    proptest::collection::vec(statement(with_principal), 1..4)
        .prop_map(|statements| json!({"Version": "2012-10-17", "Statement": statements}))
}

fn question() -> impl Strategy<Value = Question> {
    let some = |policy| proptest::option::weighted(0.3, policy);
    let values =
        || proptest::collection::vec(select(vec!["a", "b", "ab"]).prop_map(str::to_owned), 0..3);
    let policies = (
        proptest::collection::vec(document(false), 0..3),
        some(document(false).boxed()),
        proptest::option::weighted(0.3, proptest::collection::vec(document(false), 1..3)),
        proptest::option::weighted(0.6, document(true)),
        some(document(true).boxed()),
        proptest::option::weighted(0.2, proptest::collection::vec(document(false), 1..3)),
    );
    let asked = (
        any::<bool>(),
        select(vec![ACCOUNT, ACCOUNT, "999988887777"]),
        select(vec!["s3:GetObject", "S3:PUTobject", "kms:Decrypt"]),
        select(vec!["arn:aws:s3:::b/k", "arn:aws:s3:::b/k:v/b/k", "*"]),
        (
            values(),
            values(),
            values(),
            proptest::option::of(select(vec!["0", "3", "7"])),
        ),
    );
    (policies, asked).prop_map(|(policies, (consent, owner, action, target, keys))| {
        let (identity, boundary, session, resource, endpoint, service_control) = policies;
        Question {
            identity,
            boundary,
            session: session.unwrap_or_default(),
            consent: consent && resource.is_some(),
            resource,
            endpoint,
            service_control: service_control.unwrap_or_default(),
            role: "R".to_owned(),
            session_name: "s".to_owned(),
            account: ACCOUNT.to_owned(),
            owner: owner.to_owned(),
            action: action.to_owned(),
            target: target.to_owned(),
            keys: BTreeMap::from([
                ("aws:sourcevpce".to_owned(), keys.0),
                ("aws:requesttag/team".to_owned(), keys.1),
                ("aws:tagkeys".to_owned(), keys.2),
                (
                    "s3:max-keys".to_owned(),
                    keys.3.into_iter().map(str::to_owned).collect(),
                ),
            ]),
        }
    })
}

/// The question put to the evaluator.
fn ours(question: &Question) -> Evaluation {
    let named = |document: &Value| Named::new("P", PolicyDocument::parse(document).unwrap());
    let all = |documents: &[Value]| documents.iter().map(named).collect::<Vec<_>>();
    let (identity, session) = (all(&question.identity), all(&question.session));
    let boundary = question.boundary.as_ref().map(named);
    let resource = question.resource.as_ref().map(named);
    let endpoint = question.endpoint.as_ref().map(named);
    let levels: Vec<_> = question
        .service_control
        .iter()
        .map(|document| vec![named(document)])
        .collect();
    let kind = if question.consent {
        PolicyKind::Key
    } else {
        PolicyKind::Resource
    };
    let policies = Policies {
        identity: &identity,
        boundary: boundary.as_ref(),
        session: &session,
        resource: resource
            .as_ref()
            .map(|policy| ResourcePolicy { kind, policy }),
        endpoint: endpoint.as_ref(),
        service_control: &levels,
        ..Policies::default()
    };
    let role = format!("arn:aws:iam::{}:role/{}", question.account, question.role);
    let mut context = Context::new();
    for (key, values) in &question.keys {
        context.set_all(key, values.iter().cloned());
    }
    let request = Request {
        principal: &Principal::role_session(&role, &question.session_name).unwrap(),
        action: &question.action,
        resource: &question.target,
        resource_account: Some(&question.owner),
        context: &context,
    };
    evaluate(&request, &policies)
}

fn with_statement(document: &mut Value, statement: Value) {
    document["Statement"]
        .as_array_mut()
        .unwrap()
        .push(statement);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn agrees_with_the_reference(question in question()) {
        let expected = match answer(&question) {
            Answer::Deny => Decision::ExplicitDeny,
            Answer::Nothing => Decision::ImplicitDeny,
            Answer::Allow => Decision::Allowed,
        };
        let evaluation = ours(&question);
        prop_assert_eq!(evaluation.decision, expected, "{}", evaluation);
        // a "no" without "because" is a bug, and so is a "yes"
        match evaluation.decision {
            Decision::ImplicitDeny => prop_assert!(
                matches!(&evaluation.reason, Reason::Missing(kinds) if !kinds.is_empty())
            ),
            _ => prop_assert!(!evaluation.matched.is_empty()),
        }
    }

    #[test]
    fn a_deny_more_never_widens(question in question(), mut denial in statement(false)) {
        let before = ours(&question).is_allowed();
        denial["Effect"] = json!("Deny");
        let mut stricter = question;
        stricter.identity.push(json!({"Version": "2012-10-17", "Statement": [denial]}));
        prop_assert!(before || !ours(&stricter).is_allowed());
    }

    #[test]
    fn an_allow_more_never_narrows(question in question(), mut more in statement(true)) {
        let before = ours(&question);
        more["Effect"] = json!("Allow");
        let mut wider = question;
        if let Some(resource) = wider.resource.as_mut() {
            with_statement(resource, more);
        }
        prop_assert!(ours(&wider).is_allowed() || !before.is_allowed());
    }

    #[test]
    fn the_order_of_statements_does_not_matter(mut question in question()) {
        let before = ours(&question).decision;
        for document in question.identity.iter_mut().chain(question.resource.as_mut()) {
            document["Statement"].as_array_mut().unwrap().reverse();
        }
        question.identity.reverse();
        prop_assert_eq!(ours(&question).decision, before);
    }
}
