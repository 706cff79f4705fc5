//! Both roles in this process, on a database of the test's own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use server::app::App;
use server::database::Database;
use server::matches::{self, Matches};
use server::token::Verifier;
use server::users;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cluster::cluster;
use crate::people::{KeySet, Person, PoolKey, cognito};

/// A running system: one `users` process and one or more `matches` processes.
#[derive(Clone)]
pub(crate) struct System {
    pub(crate) database: String,
    users: Router,
    /// Each stands for a process of its own.
    matches: Vec<Router>,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn id(&self) -> i64 {
        self.body["id"]
            .as_i64()
            .unwrap_or_else(|| panic!("no id in {}", self.body))
    }
}

pub(crate) fn app(database: &str) -> Arc<App> {
    let keys = KeySet::with(&[PoolKey::usual().clone()]);
    let database = Database::new(cluster().connector(database));
    Arc::new(App::new(database, Verifier::new(&cognito(), keys)))
}

impl System {
    pub(crate) async fn start() -> Self {
        Self::with_processes(1).await
    }

    pub(crate) async fn with_processes(count: usize) -> Self {
        let database = cluster().database().await;
        let users = users::router(app(&database));
        let matches = (0..count)
            .map(|_| matches::router(Matches::start(&app(&database))))
            .collect();
        Self {
            database,
            users,
            matches,
        }
    }

    pub(crate) async fn sql(&self) -> tokio_postgres::Client {
        cluster().client(&self.database).await
    }

    /// Someone who has signed in.
    pub(crate) async fn person(&self, name: &str, groups: &[&str]) -> Person {
        let person = Person::new(name, groups);
        let answer = self.signin_up(&person).await;
        assert!(
            answer.status.is_success(),
            "{}: {}",
            answer.status,
            answer.body
        );
        person
    }

    pub(crate) async fn admin(&self) -> Person {
        self.person("admin", &["admin"]).await
    }

    pub(crate) async fn signin_up(&self, person: &Person) -> Answer {
        let request = Request::post("/api/users/signin-up")
            .header("authorization", format!("Bearer {}", person.access))
            .header("x-id-token", &person.id_token);
        self.send(&self.users, request.body(Body::empty()).expect("a request"))
            .await
    }

    /// A match in an hour, by this administrator.
    pub(crate) async fn open_match(&self, admin: &Person, seats: i32) -> i64 {
        let body =
            json!({"location": "풋살장 3", "matchDateTime": in_seconds(3600), "maxPlayers": seats});
        let answer = self
            .call(Method::POST, "/api/matches", Some(admin), Some(body))
            .await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.id()
    }

    pub(crate) async fn get(&self, path: &str, person: &Person) -> Answer {
        self.call(Method::GET, path, Some(person), None).await
    }

    pub(crate) async fn join(&self, id: i64, person: &Person) -> Answer {
        self.call(
            Method::POST,
            &format!("/api/matches/{id}/participants"),
            Some(person),
            None,
        )
        .await
    }

    pub(crate) async fn join_with_key(
        &self,
        process: usize,
        id: i64,
        person: &Person,
        key: &str,
    ) -> Answer {
        let request = Request::post(format!("/api/matches/{id}/participants"))
            .header("authorization", format!("Bearer {}", person.access))
            .header("idempotency-key", key);
        self.send(
            &self.matches[process],
            request.body(Body::empty()).expect("a request"),
        )
        .await
    }

    pub(crate) async fn leave(&self, id: i64, person: &Person) -> Answer {
        self.call(
            Method::DELETE,
            &format!("/api/matches/{id}/participants"),
            Some(person),
            None,
        )
        .await
    }

    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        person: Option<&Person>,
        body: Option<Value>,
    ) -> Answer {
        self.call_at(0, method, path, person, body).await
    }

    /// The same at one of several `matches` processes.
    pub(crate) async fn call_at(
        &self,
        process: usize,
        method: Method,
        path: &str,
        person: Option<&Person>,
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(person) = person {
            request = request.header("authorization", format!("Bearer {}", person.access));
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.send(
            self.router(process, path),
            request.body(body).expect("a request"),
        )
        .await
    }

    /// What the load balancer's path rules do.
    pub(crate) fn router(&self, process: usize, path: &str) -> &Router {
        if path.starts_with("/api/users") {
            &self.users
        } else {
            &self.matches[process]
        }
    }

    pub(crate) async fn send(&self, router: &Router, request: Request<Body>) -> Answer {
        let response = TowerToHyperService::new(router.clone())
            .call(request)
            .await
            .expect("routers do not fail");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// Seats counted, participations there, seats there are.
    pub(crate) async fn seats(&self, id: i64) -> (i32, i64, i32) {
        let row = self
            .sql()
            .await
            .query_one(
                "SELECT joined, (SELECT count(*) FROM participants WHERE match_id = m.id), max_players
                 FROM matches m WHERE id = $1",
                &[&id],
            )
            .await
            .expect("the match exists");
        (row.get(0), row.get(1), row.get(2))
    }
}

pub(crate) fn in_seconds(seconds: i64) -> String {
    let instant = OffsetDateTime::now_utc() + time::Duration::seconds(seconds);
    instant.format(&Rfc3339).expect("a time of our century")
}

/// Waits until `condition` holds, for at most ten seconds.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !condition().await {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "not in time: {what}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
