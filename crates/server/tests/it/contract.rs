//! Do the OpenAPI documents and the routes say the same?

use axum::http::{Method, StatusCode};
use serde_json::Value;

use crate::harness::System;
use crate::people::Person;

async fn documents(system: &System) -> Vec<Value> {
    let mut documents = Vec::new();
    for path in ["/api/users/openapi.json", "/api/matches/openapi.json"] {
        let answer = system.call(Method::GET, path, None, None).await;
        assert_eq!(answer.status, 200, "{path}");
        documents.push(answer.body);
    }
    documents
}

/// Every documented operation, with an id in its path.
fn operations(document: &Value) -> Vec<(Method, String, Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let mut operations = Vec::new();
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().expect("methods") {
            let method = method.to_uppercase().parse().expect("a method");
            operations.push((method, path.replace("{id}", "1"), operation.clone()));
        }
    }
    operations
}

#[tokio::test]
async fn every_documented_operation_exists_and_wants_a_token() {
    let system = System::start().await;
    let mut count = 0;
    for document in documents(&system).await {
        for (method, path, operation) in operations(&document) {
            let answer = system.call(method.clone(), &path, None, None).await;
            let public = operation["security"] == serde_json::json!([]);
            let expected = if public {
                StatusCode::OK
            } else {
                StatusCode::UNAUTHORIZED
            };
            assert_eq!(answer.status, expected, "{method} {path}");
            assert!(
                answer.headers.contains_key("cache-control"),
                "{method} {path}"
            );
            assert!(
                answer.headers.contains_key("x-request-id"),
                "{method} {path}"
            );
            count += 1;
        }
    }
    assert_eq!(count, 19, "a new route needs its place in the document");
}

#[tokio::test]
async fn a_method_that_is_not_documented_is_refused() {
    let system = System::start().await;
    for document in documents(&system).await {
        let operations = operations(&document);
        for (_, path, _) in &operations {
            for method in [
                Method::GET,
                Method::POST,
                Method::PUT,
                Method::DELETE,
                Method::PATCH,
            ] {
                if operations.iter().any(|(m, p, _)| *m == method && p == path) {
                    continue;
                }
                // `/api/matches/me` and its like also match `/api/matches/{id}`'s shape, not its methods
                let answer = system.call(method.clone(), path, None, None).await;
                assert_eq!(
                    (answer.status.as_u16(), answer.code()),
                    (405, "METHOD_NOT_ALLOWED"),
                    "{method} {path}"
                );
                assert!(answer.headers.contains_key("allow"), "{method} {path}");
            }
        }
    }
    for path in ["/api/matches/1/2/3", "/api/users/me/x", "/"] {
        assert_eq!(
            system.call(Method::GET, path, None, None).await.code(),
            "NOT_FOUND",
            "{path}"
        );
    }
    let nobody = Person::new("nobody", &[]);
    for path in [
        "/api/matches/0",
        "/api/matches/-1",
        "/api/matches/x",
        "/api/matches/99999999999999999999",
    ] {
        assert_eq!(
            system.get(path, &nobody).await.code(),
            "NOT_FOUND",
            "{path}"
        );
    }
}

#[tokio::test]
async fn an_answer_has_just_the_documented_members() {
    let system = System::start().await;
    let admin = system.admin().await;
    let id = system.open_match(&admin, 4).await;
    system.join(id, &admin).await;
    let documents = documents(&system).await;
    let cases = [
        (0, "User", system.get("/api/users/me", &admin).await.body),
        (
            1,
            "Match",
            system.get(&format!("/api/matches/{id}"), &admin).await.body,
        ),
        (1, "Mine", system.get("/api/matches/me", &admin).await.body),
        (
            1,
            "Participant",
            system
                .get(&format!("/api/matches/{id}/participants"), &admin)
                .await
                .body[0]
                .clone(),
        ),
    ];
    let keys = |value: &Value| -> Vec<String> {
        let mut keys: Vec<_> = value
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect();
        keys.sort();
        keys
    };
    for (document, schema, body) in cases {
        let schema = &documents[document]["components"]["schemas"][schema]["properties"];
        assert_eq!(keys(&body), keys(schema));
    }
}

#[tokio::test]
async fn a_caller_who_asks_too_often_is_told_when_to_come_back() {
    let system = System::start().await;
    let (eager, calm) = (
        system.person("eager", &[]).await,
        system.person("calm", &[]).await,
    );
    let mut refused = None;
    for _ in 0..400 {
        let answer = system.get("/api/matches", &eager).await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("there is a limit");
    assert_eq!(refused.code(), "TOO_MANY_REQUESTS");
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(
        system.get("/api/matches", &calm).await.status,
        200,
        "nobody pays for another"
    );
}
