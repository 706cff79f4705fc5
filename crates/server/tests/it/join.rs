//! Never oversold, never double, whatever happens at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::Method;
use serde_json::json;

use crate::harness::System;
use crate::people::Person;

/// Signs in many people at once, by SQL: signing in is not what is tested.
async fn crowd(system: &System, size: usize) -> Vec<Person> {
    let people: Vec<Person> = (0..size)
        .map(|n| Person::new(&format!("player{n}"), &[]))
        .collect();
    let subs: Vec<&str> = people.iter().map(|person| person.sub.as_str()).collect();
    system
        .sql()
        .await
        .execute(
            "INSERT INTO users (cognito_sub, email, email_verified, nickname)
             SELECT sub, sub || '@example.com', true, 'player' FROM unnest($1::text[]) AS sub",
            &[&subs],
        )
        .await
        .expect("inserted");
    people
}

/// Answers by code, joins as `JOINED`.
async fn all_at_once(
    requests: Vec<impl Future<Output = String> + Send + 'static>,
) -> BTreeMap<String, usize> {
    let barrier = Arc::new(tokio::sync::Barrier::new(requests.len()));
    let mut running = tokio::task::JoinSet::new();
    for request in requests {
        let barrier = Arc::clone(&barrier);
        running.spawn(async move {
            barrier.wait().await;
            request.await
        });
    }
    let mut counts = BTreeMap::new();
    while let Some(outcome) = running.join_next().await {
        *counts.entry(outcome.expect("no panic")).or_default() += 1;
    }
    counts
}

async fn join_at(system: System, process: usize, id: i64, person: Person) -> String {
    let path = format!("/api/matches/{id}/participants");
    let answer = system
        .call_at(process, Method::POST, &path, Some(&person), None)
        .await;
    match answer.status.as_u16() {
        201 => "JOINED".to_owned(),
        _ => answer.code().to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_join_ten_seats_of_two_processes_at_once() {
    let system = System::with_processes(2).await;
    let admin = system.admin().await;
    let id = system.open_match(&admin, 10).await;
    let people = crowd(&system, 1000).await;
    // everybody asks twice, once at each process
    let requests = (0..2000)
        .map(|n| join_at(system.clone(), n % 2, id, people[n / 2].clone()))
        .collect::<Vec<_>>();
    let counts = all_at_once(requests).await;
    assert_eq!(counts["JOINED"], 10, "{counts:?}");
    assert!(
        counts
            .get("ALREADY_JOINED")
            .is_none_or(|count| *count <= 10),
        "{counts:?}"
    );
    assert_eq!(counts.values().sum::<usize>(), 2000);
    assert_eq!(
        counts["MATCH_FULL"] + counts.get("ALREADY_JOINED").unwrap_or(&0),
        1990,
        "{counts:?}"
    );
    assert_eq!(system.seats(id).await, (10, 10, 10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joining_and_leaving_in_a_crowd_keeps_the_count() {
    let system = System::with_processes(2).await;
    let admin = system.admin().await;
    let id = system.open_match(&admin, 10).await;
    let people = crowd(&system, 25).await;
    let requests = (0..1000)
        .map(|n| {
            let (system, person) = (system.clone(), people[n * 7 % 25].clone());
            async move {
                if n % 2 == 0 {
                    return join_at(system, n / 2 % 2, id, person).await;
                }
                let path = format!("/api/matches/{id}/participants");
                let answer = system
                    .call_at(n / 2 % 2, Method::DELETE, &path, Some(&person), None)
                    .await;
                if answer.status == 204 {
                    "LEFT".to_owned()
                } else {
                    answer.code().to_owned()
                }
            }
        })
        .collect::<Vec<_>>();
    let counts = all_at_once(requests).await;
    let unexpected: Vec<_> = counts
        .keys()
        .filter(|code| {
            ![
                "JOINED",
                "LEFT",
                "ALREADY_JOINED",
                "MATCH_FULL",
                "NOT_JOINED",
                "TOO_MANY_REQUESTS",
            ]
            .contains(&code.as_str())
        })
        .collect();
    assert!(unexpected.is_empty(), "{counts:?}");
    let (joined, participants, _) = system.seats(id).await;
    assert_eq!(i64::from(joined), participants);
    assert_eq!(
        counts["JOINED"] - counts.get("LEFT").unwrap_or(&0),
        usize::try_from(joined).expect("small")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_joins_a_match_after_it_was_canceled_or_deleted() {
    for round in 0..6 {
        let system = System::start().await;
        let admin = system.admin().await;
        let id = system.open_match(&admin, 22).await;
        let people = crowd(&system, 60).await;
        let mut requests: Vec<std::pin::Pin<Box<dyn Future<Output = String> + Send>>> = Vec::new();
        for person in people {
            requests.push(Box::pin(join_at(system.clone(), 0, id, person)));
        }
        let (other, admin) = (system.clone(), admin.clone());
        requests.push(Box::pin(async move {
            let answer = if round % 2 == 0 {
                other
                    .call(
                        Method::POST,
                        &format!("/api/matches/{id}/cancel"),
                        Some(&admin),
                        None,
                    )
                    .await
            } else {
                other
                    .call(
                        Method::DELETE,
                        &format!("/api/matches/{id}"),
                        Some(&admin),
                        None,
                    )
                    .await
            };
            assert!(answer.status.is_success(), "{}", answer.body);
            "ENDED".to_owned()
        }));
        let counts = all_at_once(requests).await;
        let allowed = ["JOINED", "ENDED", "MATCH_FULL", "MATCH_CLOSED", "NOT_FOUND"];
        assert!(
            counts.keys().all(|code| allowed.contains(&code.as_str())),
            "{counts:?}"
        );
        let row = system
            .sql()
            .await
            .query_one(
                "SELECT (SELECT count(*) FROM participants p JOIN matches m ON m.id = p.match_id
                         WHERE p.joined_at > m.canceled_at),
                        (SELECT count(*) FROM matches m
                         WHERE joined <> (SELECT count(*) FROM participants WHERE match_id = m.id))",
                &[],
            )
            .await
            .expect("counted");
        // a statement's time is its start: one that began before the cancellation may count as first
        let drifted: i64 = row.get(1);
        assert_eq!(drifted, 0, "{counts:?}");
    }
}

#[tokio::test]
async fn a_full_match_takes_nobody_and_has_room_again_when_someone_leaves() {
    let system = System::start().await;
    let admin = system.admin().await;
    let id = system.open_match(&admin, 2).await;
    let (a, b, c) = (
        system.person("a", &[]).await,
        system.person("b", &[]).await,
        system.person("c", &[]).await,
    );
    let first = system.join(id, &a).await;
    assert_eq!(first.status, 201);
    assert_eq!(first.body["matchId"], id);
    assert!(
        first.body["joinedAt"]
            .as_str()
            .expect("a time")
            .ends_with("+09:00")
    );
    assert_eq!(system.join(id, &a).await.code(), "ALREADY_JOINED");
    assert_eq!(system.join(id, &b).await.status, 201);
    let refused = system.join(id, &c).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (409, "MATCH_FULL")
    );
    assert_eq!(refused.headers["content-type"], "application/problem+json");
    // already joined is the better answer than full
    assert_eq!(system.join(id, &a).await.code(), "ALREADY_JOINED");
    assert_eq!(
        system.get(&format!("/api/matches/{id}"), &a).await.body["matchStatus"],
        "FULL"
    );
    assert_eq!(system.leave(id, &a).await.status, 204);
    assert_eq!(system.leave(id, &a).await.code(), "NOT_JOINED");
    assert_eq!(system.join(id, &c).await.status, 201);
    assert_eq!(system.seats(id).await, (2, 2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_with_the_same_key_gets_the_same_answer_at_any_process() {
    let system = System::with_processes(2).await;
    let admin = system.admin().await;
    let id = system.open_match(&admin, 4).await;
    let player = system.person("player", &[]).await;
    let first = system.join_with_key(0, id, &player, "k-1").await;
    assert_eq!(first.status, 201);
    let again = system.join_with_key(1, id, &player, "k-1").await;
    assert_eq!((again.status.as_u16(), &again.body), (201, &first.body));
    assert_eq!(
        system.join_with_key(1, id, &player, "k-2").await.code(),
        "ALREADY_JOINED"
    );
    assert_eq!(system.join(id, &player).await.code(), "ALREADY_JOINED");
    assert_eq!(
        system
            .join_with_key(0, id, &player, "no spaces please")
            .await
            .code(),
        "INVALID_REQUEST"
    );

    // all at once, from both processes: one seat, one answer
    let other = system.person("other", &[]).await;
    let requests = (0..40)
        .map(|n| {
            let (system, other) = (system.clone(), other.clone());
            async move {
                let answer = system.join_with_key(n % 2, id, &other, "k-3").await;
                format!("{} {}", answer.status.as_u16(), answer.body["id"])
            }
        })
        .collect::<Vec<_>>();
    let answers = all_at_once(requests).await;
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(
        answers.keys().all(|answer| answer.starts_with("201 ")),
        "{answers:?}"
    );
    assert_eq!(system.seats(id).await, (2, 2, 4));
}

#[tokio::test]
async fn a_match_closes_by_itself_and_keeps_its_players() {
    let system = System::start().await;
    let admin = system.admin().await;
    let id = system.open_match(&admin, 4).await;
    let (early, late) = (
        system.person("early", &[]).await,
        system.person("late", &[]).await,
    );
    assert_eq!(system.join(id, &early).await.status, 201);
    // the ready list knows the match as open
    assert_eq!(
        system.get("/api/matches", &early).await.body[0]["matchStatus"],
        "OPEN"
    );
    let sql = system.sql().await;
    sql.execute(
        "UPDATE matches SET starts_at = now() + interval '400 ms' WHERE id = $1",
        &[&id],
    )
    .await
    .expect("moved");
    let path = format!("/api/matches/{id}");
    crate::harness::eventually("closed", async || {
        system.get(&path, &early).await.body["matchStatus"] == "CLOSED"
    })
    .await;
    assert_eq!(system.join(id, &late).await.code(), "MATCH_CLOSED");
    assert_eq!(system.leave(id, &early).await.code(), "MATCH_CLOSED");
    assert_eq!(system.leave(id, &late).await.code(), "NOT_JOINED");
    assert_eq!(system.seats(id).await, (1, 1, 4));
    let mine = system.get("/api/matches/me", &early).await;
    assert_eq!(
        mine.body["summary"],
        json!({"totalCount": 1, "upcomingCount": 0, "completedCount": 1})
    );
}

#[tokio::test]
async fn what_is_not_there_cannot_be_joined() {
    let system = System::start().await;
    let player = system.person("player", &[]).await;
    assert_eq!(system.join(4711, &player).await.code(), "NOT_FOUND");
    assert_eq!(system.leave(4711, &player).await.code(), "NOT_FOUND");
    let stranger = Person::new("stranger", &[]);
    let id = system.open_match(&system.admin().await, 2).await;
    assert_eq!(system.join(id, &stranger).await.code(), "NOT_REGISTERED");
    assert_eq!(system.leave(id, &stranger).await.code(), "NOT_REGISTERED");
    assert_eq!(
        system.get("/api/matches/me", &stranger).await.code(),
        "NOT_REGISTERED"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_an_account_amid_its_joins_gives_every_seat_back() {
    let system = System::start().await;
    let admin = system.admin().await;
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(system.open_match(&admin, 4).await);
    }
    let leaver = system.person("leaver", &[]).await;
    let mut requests: Vec<std::pin::Pin<Box<dyn Future<Output = String> + Send>>> = Vec::new();
    for id in ids {
        requests.push(Box::pin(join_at(system.clone(), 0, id, leaver.clone())));
    }
    let (other, person) = (system.clone(), leaver.clone());
    requests.push(Box::pin(async move {
        let answer = other
            .call(Method::DELETE, "/api/users/me", Some(&person), None)
            .await;
        assert_eq!(answer.status, 204, "{}", answer.body);
        "DELETED".to_owned()
    }));
    let counts = all_at_once(requests).await;
    let allowed = ["JOINED", "DELETED", "NOT_REGISTERED"];
    assert!(
        counts.keys().all(|code| allowed.contains(&code.as_str())),
        "{counts:?}"
    );
    let sql = system.sql().await;
    let left: i64 = sql
        .query_one(
            "SELECT (SELECT sum(joined) FROM matches) + (SELECT count(*) FROM participants)",
            &[],
        )
        .await
        .expect("counted")
        .get(0);
    assert_eq!(left, 0, "{counts:?}");
    let id = system.open_match(&admin, 4).await;
    assert_eq!(system.join(id, &leaver).await.code(), "NOT_REGISTERED");
    assert_eq!(
        system.get("/api/users/me", &leaver).await.code(),
        "NOT_REGISTERED"
    );
}
