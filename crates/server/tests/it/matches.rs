//! Matches: who may do what, and what the lists show.

use axum::http::Method;
use serde_json::json;

use crate::harness::{System, eventually, in_seconds};

#[tokio::test]
async fn only_administrators_open_change_cancel_and_delete() {
    let system = System::start().await;
    let admin = system.admin().await;
    let player = system.person("player", &[]).await;
    let body = json!({"location": " 강남 ", "matchDateTime": in_seconds(7200), "maxPlayers": 10, "createdBy": 99});
    let refused = system
        .call(
            Method::POST,
            "/api/matches",
            Some(&player),
            Some(body.clone()),
        )
        .await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (403, "FORBIDDEN")
    );

    let created = system
        .call(Method::POST, "/api/matches", Some(&admin), Some(body))
        .await;
    assert_eq!(created.status, 201);
    let (id, path) = (created.id(), format!("/api/matches/{}", created.id()));
    assert_eq!(created.headers["location"], path);
    let me = system.get("/api/users/me", &admin).await.id();
    assert_eq!(
        created.body["createdBy"], me,
        "the caller, whatever the body says"
    );
    assert_eq!(created.body["location"], "강남");
    assert_eq!(
        (
            &created.body["currentPlayers"],
            &created.body["matchStatus"]
        ),
        (&json!(0), &json!("OPEN"))
    );

    for (method, path) in [
        (Method::PUT, path.clone()),
        (Method::DELETE, path.clone()),
        (Method::POST, format!("{path}/cancel")),
        (Method::GET, format!("{path}/participants")),
    ] {
        let refused = system
            .call(method.clone(), &path, Some(&player), Some(json!({})))
            .await;
        assert_eq!(refused.code(), "FORBIDDEN", "{method} {path}");
    }

    let changed = system
        .call(
            Method::PUT,
            &path,
            Some(&admin),
            Some(json!({"location": "잠실"})),
        )
        .await;
    assert_eq!(
        (&changed.body["location"], &changed.body["maxPlayers"]),
        (&json!("잠실"), &json!(10))
    );
    for name in ["p1", "p2", "p3"] {
        let person = system.person(name, &[]).await;
        assert_eq!(system.join(id, &person).await.status, 201);
    }
    let fewer = system
        .call(
            Method::PUT,
            &path,
            Some(&admin),
            Some(json!({"maxPlayers": 2})),
        )
        .await;
    assert_eq!((fewer.status.as_u16(), fewer.code()), (409, "SEATS_TAKEN"));
    let exact = system
        .call(
            Method::PUT,
            &path,
            Some(&admin),
            Some(json!({"maxPlayers": 3})),
        )
        .await;
    assert_eq!(exact.body["matchStatus"], "FULL");

    let participants = system
        .get(&format!("{path}/participants"), &admin)
        .await
        .body;
    let names: Vec<_> = participants
        .as_array()
        .expect("a list")
        .iter()
        .map(|p| p["nickname"].clone())
        .collect();
    assert_eq!(names, ["p1", "p2", "p3"]);

    for _ in 0..2 {
        let canceled = system
            .call(Method::POST, &format!("{path}/cancel"), Some(&admin), None)
            .await;
        assert_eq!(
            (canceled.status.as_u16(), &canceled.body["matchStatus"]),
            (200, &json!("CANCELED"))
        );
    }
    assert_eq!(system.join(id, &player).await.code(), "MATCH_CLOSED");
    let late = system
        .call(
            Method::PUT,
            &path,
            Some(&admin),
            Some(json!({"maxPlayers": 9})),
        )
        .await;
    assert_eq!(late.code(), "MATCH_CLOSED");

    assert_eq!(
        system
            .call(Method::DELETE, &path, Some(&admin), None)
            .await
            .status,
        204
    );
    assert_eq!(
        system
            .call(Method::DELETE, &path, Some(&admin), None)
            .await
            .code(),
        "NOT_FOUND"
    );
    assert_eq!(system.get(&path, &player).await.code(), "NOT_FOUND");
    assert_eq!(
        system
            .get(&format!("{path}/participants"), &admin)
            .await
            .code(),
        "NOT_FOUND"
    );
}

#[tokio::test]
async fn a_faulty_description_names_every_faulty_field() {
    let system = System::start().await;
    let admin = system.admin().await;
    let post = async |body| {
        system
            .call(Method::POST, "/api/matches", Some(&admin), Some(body))
            .await
    };
    let fields = |body: &serde_json::Value| -> Vec<String> {
        let errors = body["errors"].as_array().cloned().unwrap_or_default();
        errors
            .iter()
            .map(|error| error["field"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    let empty = post(json!({})).await;
    assert_eq!(
        (empty.status.as_u16(), empty.code()),
        (400, "INVALID_REQUEST")
    );
    assert_eq!(
        fields(&empty.body),
        ["location", "matchDateTime", "maxPlayers"]
    );
    let wrong = post(
        json!({"location": "a\nb", "matchDateTime": "2020-01-01T00:00:00Z", "maxPlayers": 23}),
    )
    .await;
    assert_eq!(
        fields(&wrong.body),
        ["location", "matchDateTime", "maxPlayers"]
    );
    let longest = "가".repeat(255);
    let at_limits =
        post(json!({"location": longest, "matchDateTime": in_seconds(60), "maxPlayers": 22})).await;
    assert_eq!(at_limits.status, 201);
    let beyond = post(
        json!({"location": format!("{longest}가"), "matchDateTime": in_seconds(60), "maxPlayers": 2}),
    );
    assert_eq!(fields(&beyond.await.body), ["location"]);
    assert_eq!(
        post(json!({"maxPlayers": "ten"})).await.code(),
        "INVALID_REQUEST"
    );
    let huge = post(json!({"location": "x".repeat(70_000)})).await;
    assert_eq!(
        (huge.status.as_u16(), huge.code()),
        (413, "PAYLOAD_TOO_LARGE")
    );
}

#[tokio::test]
async fn a_time_without_offset_is_seouls() {
    let system = System::start().await;
    let admin = system.admin().await;
    let body = json!({"location": "한강", "matchDateTime": "2099-05-05T20:00", "maxPlayers": 10});
    let created = system
        .call(Method::POST, "/api/matches", Some(&admin), Some(body))
        .await;
    assert_eq!(created.body["matchDateTime"], "2099-05-05T20:00:00+09:00");
}

#[tokio::test]
async fn the_list_is_newest_first_filtered_and_cut_into_pages() {
    let system = System::start().await;
    let admin = system.admin().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(system.open_match(&admin, 2).await);
    }
    ids.reverse();
    let shown = |body: &serde_json::Value| -> Vec<i64> {
        body.as_array()
            .expect("a list")
            .iter()
            .map(|shown| shown["id"].as_i64().expect("an id"))
            .collect()
    };
    assert_eq!(shown(&system.get("/api/matches", &admin).await.body), ids);

    let mut seen = Vec::new();
    let mut next = Some("/api/matches?limit=2&status=OPEN".to_owned());
    while let Some(path) = next {
        let page = system.get(&path, &admin).await;
        seen.extend(shown(&page.body));
        next = page.headers.get("link").map(|link| {
            let link = link.to_str().expect("text");
            link[1..link.find('>').expect("a target")].to_owned()
        });
    }
    assert_eq!(seen, ids);

    system
        .call(
            Method::POST,
            &format!("/api/matches/{}/cancel", ids[0]),
            Some(&admin),
            None,
        )
        .await;
    assert_eq!(
        shown(
            &system
                .get("/api/matches?status=CANCELED", &admin)
                .await
                .body
        ),
        ids[..1]
    );
    assert_eq!(
        shown(&system.get("/api/matches?status=FULL", &admin).await.body),
        [] as [i64; 0]
    );
    let none = system
        .get("/api/matches?from=2099-01-01T00:00", &admin)
        .await;
    assert_eq!(shown(&none.body), [] as [i64; 0]);
    for wrong in [
        "limit=0",
        "limit=101",
        "status=open",
        "from=tomorrow",
        "cursor=x",
    ] {
        assert_eq!(
            system
                .get(&format!("/api/matches?{wrong}"), &admin)
                .await
                .code(),
            "INVALID_REQUEST",
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn whoever_writes_sees_it_in_the_next_list_and_other_processes_soon() {
    let system = System::with_processes(2).await;
    let admin = system.admin().await;
    let id = system.open_match(&admin, 20).await;
    let at = async |process| {
        let list = system
            .call_at(process, Method::GET, "/api/matches", Some(&admin), None)
            .await;
        list.body[0]["currentPlayers"].as_i64()
    };
    eventually("the other process lists it", async || {
        at(1).await == Some(0)
    })
    .await;
    for count in 1..=10 {
        let player = system.person(&format!("p{count}"), &[]).await;
        assert_eq!(system.join(id, &player).await.status, 201);
        assert_eq!(at(0).await, Some(count), "read your own writes");
    }
    eventually("the other process hears of it", async || {
        at(1).await == Some(10)
    })
    .await;
}

#[tokio::test]
async fn an_unchanged_list_is_not_sent_again() {
    let system = System::start().await;
    let admin = system.admin().await;
    system.open_match(&admin, 2).await;
    let first = system.get("/api/matches", &admin).await;
    let etag = first.headers["etag"].to_str().expect("text").to_owned();
    let conditional = async || {
        let request = axum::http::Request::get("/api/matches")
            .header("authorization", format!("Bearer {}", admin.access))
            .header("if-none-match", &etag)
            .body(axum::body::Body::empty());
        system
            .send(
                system.router(0, "/api/matches"),
                request.expect("a request"),
            )
            .await
    };
    assert_eq!(conditional().await.status, 304);
    system.open_match(&admin, 2).await;
    assert_eq!(conditional().await.status, 200);
}

#[tokio::test]
async fn mine_lists_what_i_joined_with_a_summary() {
    let system = System::start().await;
    let admin = system.admin().await;
    let player = system.person("player", &[]).await;
    let empty = system.get("/api/matches/me", &player).await;
    assert_eq!(
        empty.body,
        json!({"summary": {"totalCount": 0, "upcomingCount": 0, "completedCount": 0}, "matches": []})
    );
    let (a, b) = (
        system.open_match(&admin, 4).await,
        system.open_match(&admin, 4).await,
    );
    system.open_match(&admin, 4).await;
    let joined = system.join(a, &player).await;
    system.join(b, &player).await;
    system
        .call(
            Method::POST,
            &format!("/api/matches/{b}/cancel"),
            Some(&admin),
            None,
        )
        .await;
    let mine = system.get("/api/matches/me", &player).await.body;
    assert_eq!(
        mine["summary"],
        json!({"totalCount": 2, "upcomingCount": 1, "completedCount": 0})
    );
    let first = mine["matches"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|shown| shown["id"] == a)
        .expect("joined");
    assert_eq!(first["participantId"], joined.body["id"]);
    assert_eq!(first["joinedAt"], joined.body["joinedAt"]);
    assert_eq!(
        (&first["currentPlayers"], &first["matchStatus"]),
        (&json!(1), &json!("OPEN"))
    );
}
