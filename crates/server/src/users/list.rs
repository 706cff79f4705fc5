//! `GET /api/users`: everyone, for administrators.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Deserialize;

use super::{User, user_columns};
use crate::app::App;
use crate::caller::Admin;
use crate::input::{Faults, Params};
use crate::page;
use crate::problem::Problem;

#[derive(Deserialize)]
pub struct Filter {
    limit: Option<i64>,
    cursor: Option<i64>,
}

/// Newest first; the next page in a `Link` header.
pub async fn list(
    State(app): State<Arc<App>>,
    _: Admin,
    Params(filter): Params<Filter>,
) -> Result<(HeaderMap, Json<Vec<User>>), Problem> {
    let mut faults = Faults::default();
    let limit = page::limit(filter.limit, &mut faults);
    faults.check()?;
    const SQL: &str = concat!(
        "SELECT ",
        user_columns!(),
        " FROM users WHERE $1::bigint IS NULL OR id < $1 ORDER BY id DESC LIMIT $2"
    );
    let mut rows = app
        .database
        .rows(SQL, &[&filter.cursor, &(limit + 1)])
        .await?;
    let last = page::cut(&mut rows, limit).map(|row| row.get::<_, i64>(0));
    let headers = page::link("/api/users", &[("limit", Some(limit.to_string()))], last);
    Ok((headers, Json(rows.iter().map(User::from).collect())))
}
