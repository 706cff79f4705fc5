//! Should the load balancer send requests here?
//!
//! Only while the database answers, has the schema this build needs, and the
//! process is not about to end.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::app::App;
use crate::migrate;

const TIMEOUT: Duration = Duration::from_secs(3);

pub async fn health(State(app): State<Arc<App>>) -> (StatusCode, Json<Value>) {
    let fault = if app.is_draining() {
        Some("draining")
    } else {
        match tokio::time::timeout(TIMEOUT, migrate::is_current(&app.database)).await {
            Ok(Ok(true)) => None,
            Ok(Ok(false)) => Some("schema"),
            Ok(Err(error)) => {
                tracing::warn!(db.error = %crate::telemetry::chain(&error), "unhealthy: the database does not answer");
                Some("database")
            }
            Err(_) => {
                tracing::warn!("unhealthy: the database does not answer in time");
                Some("database")
            }
        }
    };
    match fault {
        None => (StatusCode::OK, Json(json!({"status": "ok"}))),
        Some(reason) => (
            StatusCode::SERVICE_UNAVAILABLE,
            Json(json!({"status": "unavailable", "reason": reason})),
        ),
    }
}
