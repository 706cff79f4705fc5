use serde_json::json;

use super::*;

const NOW: Timestamp = Timestamp(1_000_000);

fn one() -> Commands {
    let mut commands = Commands::default();
    commands.insert(Command {
        id: "c-1".into(),
        document: "AWS-RunShellScript".into(),
        comment: String::new(),
        requested: NOW,
        expires: NOW.plus_seconds(600),
        parameters: Value::Null,
        targets: Value::Null,
        payload: "{}".into(),
        execution_s: 100,
        invocations: ["i-1", "i-2"]
            .map(|id| (id.to_owned(), Invocation::default()))
            .into(),
    });
    commands
}

fn states(commands: &Commands) -> [State; 2] {
    let invocations = &commands.get("c-1").unwrap().invocations;
    [invocations["i-1"].state, invocations["i-2"].state]
}

#[test]
fn a_message_is_hidden_while_someone_has_it_and_comes_back_unless_acknowledged() {
    let mut commands = one();
    assert_eq!(commands.take("i-1", NOW, 10, 5).len(), 1);
    assert_eq!(commands.take("i-1", NOW.plus_seconds(9), 10, 5).len(), 0);
    let again = NOW.plus_seconds(10);
    assert_eq!(commands.take("i-1", again, 10, 5).len(), 1);
    assert!(commands.acknowledge(&message_id("c-1", "i-1"), again));
    assert_eq!(commands.take("i-1", NOW.plus_seconds(60), 10, 5).len(), 0);
    assert_eq!(states(&commands), [State::InProgress, State::Pending]);
    assert_eq!(commands.get("c-1").unwrap().state(), State::InProgress);
}

#[test]
fn what_nobody_takes_and_what_nobody_answers_times_out() {
    let mut commands = one();
    assert!(commands.acknowledge(&message_id("c-1", "i-1"), NOW));
    commands.expire(NOW.plus_seconds(159));
    assert_eq!(states(&commands), [State::InProgress, State::Pending]);
    commands.expire(NOW.plus_seconds(600));
    assert_eq!(
        states(&commands),
        [State::ExecutionTimedOut, State::DeliveryTimedOut]
    );
    assert!(!commands.acknowledge(&message_id("c-1", "i-2"), NOW.plus_seconds(601)));
    assert_eq!(
        commands.get("c-1").unwrap().state().details(),
        "ExecutionTimedOut"
    );
}

#[test]
fn a_reply_says_how_it_went_and_the_first_final_one_stands() {
    let mut commands = one();
    let (first, second) = (message_id("c-1", "i-1"), message_id("c-1", "i-2"));
    let reply = json!({ "documentStatus": "Failed", "runtimeStatus": {
        "later": { "status": "Failed", "code": 3, "standardOutput": "o", "standardError": "e",
                   "startDateTime": "2026-01-01T00:00:01Z", "endDateTime": "2026-01-01T00:00:02Z" },
        "earlier": { "status": "Success", "code": 0, "endDateTime": "2026-01-01T00:00:01Z" } } });
    commands.reply(&first, &reply).unwrap();
    let outcome = &commands.get("c-1").unwrap().invocations["i-1"].outcome;
    assert_eq!((outcome.step.as_str(), outcome.code), ("later", Some(3)));
    commands
        .reply(&first, &json!({ "documentStatus": "Success" }))
        .unwrap();
    commands
        .reply(&second, &json!({ "documentStatus": "Success" }))
        .unwrap();
    assert_eq!(states(&commands), [State::Failed, State::Success]);
    assert_eq!(commands.get("c-1").unwrap().state(), State::Failed);
    assert!(commands.reply(&second, &json!({ "other": 1 })).is_none());
}

#[test]
fn only_what_waits_is_cancelled_and_memory_is_bounded() {
    let mut commands = one();
    commands.acknowledge(&message_id("c-1", "i-1"), NOW);
    commands.cancel("c-1", |_| true);
    assert_eq!(states(&commands), [State::InProgress, State::Cancelled]);
    let like = commands.get("c-1").unwrap().clone();
    for number in 0..MOST_COMMANDS {
        commands.insert(Command {
            id: format!("d-{number}"),
            ..like.clone()
        });
    }
    assert!(commands.get("c-1").is_none());
    assert_eq!(commands.all().count(), MOST_COMMANDS);
}
