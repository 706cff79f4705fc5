use emulator::{Credentials, LogEvent};
use serde_json::{Value, json};

use crate::support::*;

const GROUP: &str = "/kickytime/users";

fn call(account: &Account, who: &Credentials, operation: &str, input: &Value) -> (u16, Value) {
    account.json(who, &format!("Logs_20140328.{operation}"), input)
}

fn put(
    account: &Account,
    who: &Credentials,
    stream: &str,
    messages: &[(i64, &str)],
) -> (u16, Value) {
    let events: Vec<_> = messages
        .iter()
        .map(|(at, text)| json!({ "timestamp": START_MS + at, "message": text }))
        .collect();
    call(
        account,
        who,
        "PutLogEvents",
        &json!({
            "logGroupName": GROUP, "logStreamName": stream, "logEvents": events
        }),
    )
}

fn writer(account: &Account) -> Credentials {
    let hour = std::time::Duration::from_secs(3_600);
    account
        .emulator
        .role_session("ec2.amazonaws.com", None, LOG_ROLE, "i-1", hour)
        .unwrap()
}

fn messages(answer: &Value) -> Vec<&str> {
    answer["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["message"].as_str().unwrap())
        .collect()
}

#[test]
fn a_workload_writes_its_group_and_the_operator_reads_it() {
    let account = Account::new();
    let who = writer(&account);
    let stream = json!({ "logGroupName": GROUP, "logStreamName": "a" });
    ok(call(&account, &who, "CreateLogStream", &stream));
    assert_eq!(
        refused(call(&account, &who, "CreateLogStream", &stream)).0,
        "ResourceAlreadyExistsException"
    );
    ok(put(&account, &who, "a", &[(0, "one"), (5, "two")]));
    ok(put(&account, &who, "a", &[(3, "between")]));
    let operator = account.operator();
    let got = ok(call(
        &account,
        &operator,
        "GetLogEvents",
        &json!({
            "logGroupName": GROUP, "logStreamName": "a", "startFromHead": true
        }),
    ));
    assert_eq!(messages(&got), ["one", "between", "two"]);
    assert_eq!(
        refused(call(&account, &who, "GetLogEvents", &stream)).0,
        "AccessDeniedException"
    );
    let elsewhere = json!({ "logGroupName": "/kickytime/matches", "logStreamName": "a" });
    let (_, message) = refused(call(&account, &who, "CreateLogStream", &elsewhere));
    assert!(
        message.contains("log-group:/kickytime/matches:log-stream:a because"),
        "{message}"
    );
}

#[test]
fn a_stream_is_paged_both_ways_and_followed() {
    let account = Account::new();
    let operator = account.operator();
    let events: Vec<LogEvent> = (0..25)
        .map(|n| LogEvent {
            timestamp_ms: START_MS + n,
            message: n.to_string(),
        })
        .collect();
    account
        .emulator
        .append_log_events(GROUP, "s", &events)
        .unwrap();
    let get = |more: Value| {
        let mut input = json!({ "logGroupName": GROUP, "logStreamName": "s", "limit": 10 });
        input
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        ok(call(&account, &operator, "GetLogEvents", &input))
    };
    let first = get(json!({ "startFromHead": true }));
    assert_eq!(messages(&first)[..2], ["0", "1"]);
    let second = get(json!({ "nextToken": first["nextForwardToken"] }));
    assert_eq!(messages(&second)[0], "10");
    let third = get(json!({ "nextToken": second["nextForwardToken"] }));
    assert_eq!(messages(&third), ["20", "21", "22", "23", "24"]);
    let end = get(json!({ "nextToken": third["nextForwardToken"] }));
    assert_eq!(messages(&end), Vec::<&str>::new());
    assert_eq!(end["nextForwardToken"], third["nextForwardToken"]);
    let more = LogEvent {
        timestamp_ms: START_MS + 99,
        message: "late".into(),
    };
    account
        .emulator
        .append_log_events(GROUP, "s", &[more])
        .unwrap();
    assert_eq!(
        messages(&get(json!({ "nextToken": end["nextForwardToken"] }))),
        ["late"]
    );
    let last = get(json!({}));
    assert_eq!(messages(&last)[9], "late");
    let before = get(json!({ "nextToken": last["nextBackwardToken"] }));
    assert_eq!(messages(&before)[9], "15");
}

#[test]
fn filtering_interleaves_streams_and_pages() {
    let account = Account::new();
    let operator = account.operator();
    for (stream, offset) in [("a", 0), ("b", 1)] {
        let events: Vec<LogEvent> = (0..10)
            .map(|n| LogEvent {
                timestamp_ms: START_MS + n * 2 + offset,
                message: format!("{stream}{n} {}", if n % 2 == 0 { "even" } else { "odd" }),
            })
            .collect();
        account
            .emulator
            .append_log_events(GROUP, stream, &events)
            .unwrap();
    }
    let mut token = Value::Null;
    let mut all = Vec::new();
    let mut ids = std::collections::BTreeSet::new();
    loop {
        let page = ok(call(
            &account,
            &operator,
            "FilterLogEvents",
            &json!({
                "logGroupName": GROUP, "filterPattern": "even", "limit": 3, "nextToken": token
            }),
        ));
        for event in page["events"].as_array().unwrap() {
            all.push(event["message"].as_str().unwrap()[..2].to_owned());
            assert!(ids.insert(event["eventId"].as_str().unwrap().to_owned()));
        }
        token = page["nextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(
        all,
        ["a0", "b0", "a2", "b2", "a4", "b4", "a6", "b6", "a8", "b8"]
    );
    let span = ok(call(
        &account,
        &operator,
        "FilterLogEvents",
        &json!({
            "logGroupName": GROUP, "startTime": START_MS + 2, "endTime": START_MS + 4
        }),
    ));
    assert_eq!(
        span["events"].as_array().unwrap().len(),
        2,
        "from inclusive, to exclusive"
    );
}

#[test]
fn a_batch_has_rules() {
    let account = Account::new();
    let operator = account.operator();
    ok(call(
        &account,
        &operator,
        "CreateLogStream",
        &json!({ "logGroupName": GROUP, "logStreamName": "s" }),
    ));
    assert_eq!(
        refused(put(&account, &operator, "s", &[])).0,
        "InvalidParameterException"
    );
    assert_eq!(
        refused(put(&account, &operator, "s", &[(5, "b"), (1, "a")])).0,
        "InvalidParameterException"
    );
    assert_eq!(
        refused(put(&account, &operator, "none", &[(0, "a")])).0,
        "ResourceNotFoundException"
    );
    let day = 24 * 3_600 * 1_000;
    let answer = ok(put(&account, &operator, "s", &[(-20 * day, "old")]));
    assert_eq!(answer["rejectedLogEventsInfo"]["tooOldLogEventEndIndex"], 1);
    let answer = ok(put(
        &account,
        &operator,
        "s",
        &[(0, "now"), (3 * 3_600 * 1_000, "future")],
    ));
    assert_eq!(
        answer["rejectedLogEventsInfo"]["tooNewLogEventStartIndex"],
        1
    );
    let got = ok(call(
        &account,
        &operator,
        "GetLogEvents",
        &json!({ "logGroupName": GROUP, "logStreamName": "s" }),
    ));
    assert_eq!(messages(&got), ["now"]);
}

#[test]
fn retention_drops_what_is_too_old() {
    let account = Account::new();
    let operator = account.operator();
    let event = |text: &str, at: i64| LogEvent {
        timestamp_ms: at,
        message: text.into(),
    };
    account
        .emulator
        .append_log_events(GROUP, "s", &[event("first", START_MS)])
        .unwrap();
    account.clock.advance_seconds(31 * 24 * 3_600);
    let now = START_MS + 31 * 24 * 3_600 * 1_000;
    account
        .emulator
        .append_log_events(GROUP, "s", &[event("second", now)])
        .unwrap();
    let got = ok(call(
        &account,
        &operator,
        "GetLogEvents",
        &json!({ "logGroupName": GROUP, "logStreamName": "s" }),
    ));
    assert_eq!(messages(&got), ["second"]);
}

#[test]
fn groups_and_streams_are_described() {
    let account = Account::new();
    let operator = account.operator();
    let groups = ok(call(
        &account,
        &operator,
        "DescribeLogGroups",
        &json!({ "logGroupNamePrefix": "/kickytime/u" }),
    ));
    assert_eq!(groups["logGroups"][0]["logGroupName"], GROUP);
    assert_eq!(groups["logGroups"][0]["retentionInDays"], 30);
    assert_eq!(groups["logGroups"][0]["kmsKeyId"], KEY_ARN);
    for (stream, at) in [("a", 5), ("b", 9), ("c", 1)] {
        let event = LogEvent {
            timestamp_ms: START_MS + at,
            message: "x".into(),
        };
        account
            .emulator
            .append_log_events(GROUP, stream, &[event])
            .unwrap();
    }
    let streams = ok(call(
        &account,
        &operator,
        "DescribeLogStreams",
        &json!({
            "logGroupName": GROUP, "orderBy": "LastEventTime", "descending": true
        }),
    ));
    let names: Vec<_> = streams["logStreams"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["logStreamName"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["b", "a", "c"]);
    assert_eq!(
        refused(call(
            &account,
            &operator,
            "CreateLogGroup",
            &json!({ "logGroupName": GROUP })
        ))
        .0,
        "ResourceAlreadyExistsException"
    );
    assert_eq!(
        refused(call(
            &account,
            &operator,
            "CreateLogGroup",
            &json!({ "logGroupName": "/x" })
        ))
        .0,
        "NotImplemented"
    );
}
