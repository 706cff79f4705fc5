//! Migrations: once, in order, and never behind the back of what was applied.

use std::time::Duration;

use axum::http::Method;
use server::migrate::{self, MigrateError};
use server::{matches, users};

use crate::cluster::cluster;
use crate::harness::{System, app};

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn runners_at_the_same_time_apply_each_migration_once() {
    let name = cluster().empty_database().await;
    let connectors: Vec<_> = (0..4).map(|_| cluster().connector(&name)).collect();
    let mut applied = Vec::new();
    let (a, b, c, d) = tokio::join!(
        migrate::run(&connectors[0], PATIENCE),
        migrate::run(&connectors[1], PATIENCE),
        migrate::run(&connectors[2], PATIENCE),
        migrate::run(&connectors[3], PATIENCE),
    );
    for outcome in [a, b, c, d] {
        applied.push(outcome.expect("migrated"));
    }
    assert_eq!(
        applied.iter().sum::<usize>(),
        migrate::MIGRATIONS.len(),
        "{applied:?}"
    );
    assert_eq!(
        migrate::run(&connectors[0], PATIENCE)
            .await
            .expect("nothing to do"),
        0
    );
}

#[tokio::test]
async fn a_changed_migration_and_a_newer_schema_are_errors() {
    let name = cluster().database().await;
    let sql = cluster().client(&name).await;
    sql.batch_execute("UPDATE schema_migrations SET checksum = 'x' WHERE version = 1")
        .await
        .expect("changed");
    let error = migrate::run(&cluster().connector(&name), PATIENCE)
        .await
        .expect_err("changed");
    assert!(
        matches!(error, MigrateError::Changed { version: 1, .. }),
        "{error:?}"
    );
    sql.batch_execute("INSERT INTO schema_migrations VALUES (9999, 'future', 'x')")
        .await
        .expect("inserted");
    let error = migrate::run(&cluster().connector(&name), PATIENCE)
        .await
        .expect_err("newer");
    assert!(
        matches!(error, MigrateError::Newer { found: 9999, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_database_that_stays_away_is_given_up_after_the_deadline() {
    let connector = cluster().connector("no_such_database");
    let error = migrate::run(&connector, Duration::from_millis(300))
        .await
        .expect_err("away");
    assert!(
        matches!(error, MigrateError::Unreachable { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn services_are_healthy_with_the_schema_they_need_and_until_they_drain() {
    let system = System::start().await;
    let healthy = system.call(Method::GET, "/health", None, None).await;
    assert_eq!(
        (healthy.status.as_u16(), &healthy.body["status"]),
        (200, &"ok".into())
    );

    let empty = cluster().empty_database().await;
    for (name, reason) in [(empty.as_str(), "schema"), ("no_such_database", "database")] {
        let app = app(name);
        let router = users::router(std::sync::Arc::clone(&app));
        let request = axum::http::Request::get("/health")
            .body(axum::body::Body::empty())
            .expect("a request");
        let answer = system.send(&router, request).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["reason"]),
            (503, &reason.into()),
            "{name}"
        );
    }

    let app = app(&system.database);
    let router = matches::router(matches::Matches::start(&app));
    app.drain();
    let request = axum::http::Request::get("/health")
        .body(axum::body::Body::empty())
        .expect("a request");
    let answer = system.send(&router, request).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body["reason"]),
        (503, &"draining".into())
    );
    assert_eq!(answer.headers["connection"], "close");
}
