use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::testing::{self, Server};

fn event(id: &str, timestamp_ms: i64) -> Json {
    json!({ "eventId": id, "logStreamName": "s", "timestamp": timestamp_ms, "message": id })
}

#[tokio::test]
async fn following_tells_every_event_once_and_late_ones_too() {
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |_, _| {
        let answer = match asked.fetch_add(1, Ordering::Relaxed) {
            0 => json!({ "events": [event("a", 100_000)], "nextToken": "n" }),
            1 => json!({ "events": [event("b", 101_000)] }),
            // one that was found late, before the latest, and the latest again
            _ => json!({ "events": [event("late", 90_000), event("b", 101_000)] }),
        };
        (200, answer.to_string())
    })
    .await;
    let client = Client::new(testing::config(&[
        ("AWS_ENDPOINT_URL", &server.url()),
        ("AWS_ACCESS_KEY_ID", "AKIA"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ]));
    let query = LogQuery {
        group: "g".to_owned(),
        pattern: Some("ERROR".to_owned()),
        since_ms: 50_000,
    };
    let mut follow = Follow::new(client, query);
    follow.interval = Duration::from_millis(1);
    let mut told = Vec::new();
    for _ in 0..4 {
        let events = follow.next().await.unwrap();
        told.extend(events.into_iter().map(|event| event.id));
    }
    assert_eq!(told, ["a", "b", "late"]);
    assert!(follow.is_at_end());
    let bodies: Vec<Json> = server
        .asked()
        .iter()
        .map(|asked| serde_json::from_str(&asked.body).unwrap())
        .collect();
    assert_eq!(bodies[0]["startTime"], 50_000);
    assert_eq!(bodies[0]["filterPattern"], "ERROR");
    assert_eq!(bodies[1]["nextToken"], "n");
    // back from the latest by what events may be late
    assert_eq!(bodies[2]["startTime"], 101_000 - LATENESS_MS);
    assert!(bodies[2].get("nextToken").is_none());
}

#[test]
fn what_is_remembered_has_a_limit() {
    let mut told = Told::default();
    for number in 0..=MAX_REMEMBERED {
        assert!(told.is_new(&number.to_string()));
    }
    assert_eq!(told.ids.len(), MAX_REMEMBERED);
    assert!(!told.is_new(&MAX_REMEMBERED.to_string()));
}
