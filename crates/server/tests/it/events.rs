//! Seats as they change, on a stream that stays open.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request};
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};

use crate::harness::System;
use crate::people::{Person, PoolKey, access_claims, now_s};

struct Stream {
    body: Body,
    rest: String,
}

impl Stream {
    async fn open(system: &System, process: usize, person: &Person) -> Self {
        let request = Request::get("/api/matches/events")
            .header("authorization", format!("Bearer {}", person.access))
            .body(Body::empty())
            .expect("a request");
        let router = system.router(process, "/api/matches").clone();
        let response = TowerToHyperService::new(router)
            .call(request)
            .await
            .expect("routers do not fail");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            body: response.into_body(),
            rest: String::new(),
        }
    }

    /// The next event that is not a comment; `None` at the end.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            while let Some(end) = self.rest.find("\n\n") {
                let frame: String = self.rest.drain(..end + 2).collect();
                let field = |name: &str| {
                    frame
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .map(str::to_owned)
                };
                if let (Some(event), Some(data)) = (field("event: "), field("data: ")) {
                    return Some((event, serde_json::from_str(&data).expect("json")));
                }
            }
            let frame = tokio::time::timeout(Duration::from_secs(10), self.body.frame())
                .await
                .expect("in time")?;
            let bytes = frame
                .expect("bodies do not fail")
                .into_data()
                .expect("data");
            self.rest
                .push_str(std::str::from_utf8(&bytes).expect("UTF-8"));
        }
    }

    /// The next event about this match.
    async fn about(&mut self, id: i64) -> (String, Value) {
        loop {
            let (event, data) = self.next().await.expect("the stream goes on");
            if data["id"] == id {
                return (event, data);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_process_hears_of_every_change() {
    let system = System::with_processes(2).await;
    let admin = system.admin().await;
    let id = system.open_match(&admin, 4).await;
    let mut here = Stream::open(&system, 0, &admin).await;
    let mut there = Stream::open(&system, 1, &admin).await;
    // both are listening once they have heard of a change
    crate::harness::eventually("listening", async || {
        let list = system
            .call_at(1, Method::GET, "/api/matches", Some(&admin), None)
            .await;
        list.body[0]["id"] == id
    })
    .await;
    let player = system.person("player", &[]).await;
    assert_eq!(system.join(id, &player).await.status, 201);
    for stream in [&mut here, &mut there] {
        let seen = loop {
            let (event, data) = stream.about(id).await;
            if data["currentPlayers"] == 1 {
                break (event, data);
            }
        };
        assert_eq!(
            (seen.0.as_str(), &seen.1["matchStatus"]),
            ("match", &json!("OPEN"))
        );
    }
    // an account that goes, in the other service, gives its seat back here
    system
        .call(Method::DELETE, "/api/users/me", Some(&player), None)
        .await;
    assert_eq!(there.about(id).await.1["currentPlayers"], 0);
    system
        .call(
            Method::DELETE,
            &format!("/api/matches/{id}"),
            Some(&admin),
            None,
        )
        .await;
    for stream in [&mut here, &mut there] {
        while stream.about(id).await.0 != "gone" {}
    }
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let system = System::start().await;
    let mut claims = access_claims("sub-short");
    claims["exp"] = json!(now_s() + 1);
    let mut short = Person::new("short", &[]);
    short.access = PoolKey::usual().sign(&claims);
    let mut stream = Stream::open(&system, 0, &short).await;
    while stream.next().await.is_some() {}
}
