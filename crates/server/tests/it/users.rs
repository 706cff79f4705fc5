//! People: signing in, profiles, roles.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::json;

use crate::harness::System;
use crate::people::{Person, PoolKey, id_claims};

#[tokio::test]
async fn the_first_sign_in_makes_an_account_and_later_ones_keep_it() {
    let system = System::start().await;
    let mut person = Person::new("minji", &[]);
    let first = system.signin_up(&person).await;
    assert_eq!(first.status, 201);
    let mut expected = json!({
        "email": "minji@example.com", "nickname": "minji", "cognitoSub": "sub-minji", "emailVerified": true,
        "role": "USER", "rank": "BEGINNER", "imageUrl": null
    });
    for (field, value) in expected.as_object_mut().expect("an object") {
        assert_eq!(&first.body[field], value, "{field}");
    }

    let change = json!({"nickname": " 민지 ", "rank": "MASTER"});
    let changed = system
        .call(Method::PUT, "/api/users/me", Some(&person), Some(change))
        .await;
    assert_eq!(
        (&changed.body["nickname"], &changed.body["rank"]),
        (&json!("민지"), &json!("MASTER"))
    );

    // a new mail address, and by now a member of the group
    person.id_token = PoolKey::usual().sign(&id_claims(&person.sub, "new@example.com", &["admin"]));
    let again = system.signin_up(&person).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.id(), first.id());
    assert_eq!(
        (&again.body["email"], &again.body["nickname"]),
        (&json!("new@example.com"), &json!("민지"))
    );
    assert_eq!(
        again.body["role"], "USER",
        "the role is the database's after the first time"
    );
}

#[tokio::test]
async fn two_tokens_of_two_people_are_refused() {
    let system = System::start().await;
    let mut person = Person::new("a", &[]);
    person.id_token = Person::new("b", &[]).id_token;
    assert_eq!(system.signin_up(&person).await.code(), "UNAUTHORIZED");
    // nor does an access token pass for an ID token, or the other way round
    person.id_token = person.access.clone();
    assert_eq!(system.signin_up(&person).await.code(), "UNAUTHORIZED");
    person.id_token = Person::new("a", &[]).id_token;
    person.access = person.id_token.clone();
    assert_eq!(system.signin_up(&person).await.code(), "UNAUTHORIZED");
}

#[tokio::test]
async fn a_profile_takes_only_what_is_valid() {
    let system = System::start().await;
    let person = system.person("a", &[]).await;
    for wrong in [
        json!({"nickname": ""}),
        json!({"nickname": "a".repeat(31)}),
        json!({"nickname": "a\u{7}b"}),
        json!({"rank": "EXPERT"}),
        json!({"rank": 3}),
    ] {
        let answer = system
            .call(
                Method::PUT,
                "/api/users/me",
                Some(&person),
                Some(wrong.clone()),
            )
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (400, "INVALID_REQUEST"),
            "{wrong}"
        );
    }
    let role = system
        .call(
            Method::PUT,
            "/api/users/me",
            Some(&person),
            Some(json!({"role": "ADMIN"})),
        )
        .await;
    assert_eq!(
        (role.status.as_u16(), &role.body["role"]),
        (200, &json!("USER")),
        "nobody promotes themselves"
    );
    let form = Request::put("/api/users/me")
        .header("authorization", format!("Bearer {}", person.access))
        .header("content-type", "text/plain")
        .body(Body::from("{}"));
    let form = system
        .send(system.router(0, "/api/users"), form.expect("a request"))
        .await;
    assert_eq!(
        (form.status.as_u16(), form.code()),
        (415, "UNSUPPORTED_MEDIA_TYPE")
    );
}

#[tokio::test]
async fn administrators_change_roles_of_others_at_once() {
    let system = System::start().await;
    let admin = system.admin().await;
    let other = system.person("other", &[]).await;
    assert_eq!(system.get("/api/users", &other).await.code(), "FORBIDDEN");
    let everyone = system.get("/api/users", &admin).await.body;
    assert_eq!(everyone.as_array().map(Vec::len), Some(2));
    let (own, theirs) = (everyone[1]["id"].clone(), everyone[0]["id"].clone());
    let set = async |caller: &Person, id: &serde_json::Value, role: &str| {
        system
            .call(
                Method::PUT,
                &format!("/api/users/{id}/role"),
                Some(caller),
                Some(json!({"role": role})),
            )
            .await
    };
    assert_eq!(set(&other, &theirs, "ADMIN").await.code(), "FORBIDDEN");
    assert_eq!(set(&admin, &theirs, "ADMIN").await.body["role"], "ADMIN");
    assert_eq!(system.get("/api/users", &other).await.status, 200);
    assert_eq!(set(&admin, &own, "USER").await.code(), "OWN_ROLE");
    assert_eq!(set(&other, &own, "USER").await.body["role"], "USER");
    assert_eq!(
        system.get("/api/users", &admin).await.code(),
        "FORBIDDEN",
        "with the very same token"
    );
    assert_eq!(set(&other, &json!(4711), "USER").await.code(), "NOT_FOUND");
    assert_eq!(set(&other, &own, "KING").await.code(), "INVALID_REQUEST");
}

#[tokio::test]
async fn a_deleted_account_can_be_made_anew() {
    let system = System::start().await;
    let admin = system.admin().await;
    let person = system.person("a", &[]).await;
    let id = system.open_match(&admin, 2).await;
    system.join(id, &person).await;
    assert_eq!(
        system
            .call(Method::DELETE, "/api/users/me", Some(&person), None)
            .await
            .status,
        204
    );
    assert_eq!(system.seats(id).await, (0, 0, 2));
    assert_eq!(
        system.get("/api/users/me", &person).await.code(),
        "NOT_REGISTERED"
    );
    assert_eq!(system.signin_up(&person).await.status, 201);
    assert_eq!(system.join(id, &person).await.status, 201);
    // an administrator who goes leaves the matches
    assert_eq!(
        system
            .call(Method::DELETE, "/api/users/me", Some(&admin), None)
            .await
            .status,
        204
    );
    assert_eq!(
        system
            .get(&format!("/api/matches/{id}"), &person)
            .await
            .body["createdBy"],
        json!(null)
    );
}
