//! The `users` role: who are the people, and what may they be?

pub mod list;
pub mod me;
pub mod role;
pub mod signin_up;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post, put};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio_postgres::Row;

use crate::app::App;
use crate::{health, korea, openapi, request};

/// All routes of the role.
pub fn router(app: Arc<App>) -> Router {
    let routes = Router::new()
        .route("/api/users/signin-up", post(signin_up::signin_up))
        .route(
            "/api/users/me",
            get(me::show).put(me::change).delete(me::delete),
        )
        .route("/api/users", get(list::list))
        .route("/api/users/{id}/role", put(role::change))
        .route("/api/users/openapi.json", get(openapi::users))
        .route("/health", get(health::health))
        .with_state(Arc::clone(&app));
    request::wrap(routes, app)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Role {
    User,
    Admin,
}

/// How well someone plays, by their own word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Rank {
    Beginner,
    Intermediate,
    Master,
}

impl Role {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::User => "USER",
            Self::Admin => "ADMIN",
        }
    }
}

impl Rank {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Beginner => "BEGINNER",
            Self::Intermediate => "INTERMEDIATE",
            Self::Master => "MASTER",
        }
    }
}

/// A user as the API shows them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    id: i64,
    email: String,
    nickname: String,
    cognito_sub: String,
    email_verified: bool,
    role: String,
    rank: String,
    image_url: Option<String>,
    #[serde(serialize_with = "korea::serialize")]
    created_at: OffsetDateTime,
    #[serde(serialize_with = "korea::serialize")]
    updated_at: OffsetDateTime,
}

/// The columns [`User::from`] a row reads, in its order.
macro_rules! user_columns {
    () => {
        "id, email, nickname, cognito_sub, email_verified, role, rank, image_url, created_at, updated_at"
    };
}
pub(crate) use user_columns;

impl From<&Row> for User {
    fn from(row: &Row) -> Self {
        Self {
            id: row.get(0),
            email: row.get(1),
            nickname: row.get(2),
            cognito_sub: row.get(3),
            email_verified: row.get(4),
            role: row.get(5),
            rank: row.get(6),
            image_url: row.get(7),
            created_at: row.get(8),
            updated_at: row.get(9),
        }
    }
}
