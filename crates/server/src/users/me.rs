//! `/api/users/me`: my profile.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use deadpool_postgres::Transaction;
use serde::Deserialize;

use super::{Rank, User, user_columns};
use crate::app::App;
use crate::caller::{SignedIn, not_registered};
use crate::database::DatabaseError;
use crate::input::{Body, Faults};
use crate::matches::feed;
use crate::problem::Problem;

pub async fn show(State(app): State<Arc<App>>, caller: SignedIn) -> Result<Json<User>, Problem> {
    const SQL: &str = concat!(
        "SELECT ",
        user_columns!(),
        " FROM users WHERE cognito_sub = $1"
    );
    let row = app
        .database
        .row(SQL, &[&caller.sub])
        .await?
        .ok_or_else(not_registered)?;
    Ok(Json(User::from(&row)))
}

/// What may be changed; what is absent stays as it is.
#[derive(Deserialize)]
pub struct Change {
    nickname: Option<String>,
    rank: Option<String>,
}

pub async fn change(
    State(app): State<Arc<App>>,
    caller: SignedIn,
    Body(change): Body<Change>,
) -> Result<Json<User>, Problem> {
    let mut faults = Faults::default();
    let nickname = change.nickname.map(|text| {
        faults.line(
            "nickname",
            &text,
            30,
            "must be 1 to 30 characters on one line",
        )
    });
    let rank = change.rank.map(|word| match word.as_str() {
        "BEGINNER" => Rank::Beginner.word(),
        "INTERMEDIATE" => Rank::Intermediate.word(),
        "MASTER" => Rank::Master.word(),
        _ => {
            faults.add("rank", "must be BEGINNER, INTERMEDIATE or MASTER");
            ""
        }
    });
    faults.check()?;
    const SQL: &str = concat!(
        "UPDATE users SET nickname = coalesce($2, nickname), rank = coalesce($3, rank), updated_at = now()
         WHERE cognito_sub = $1 RETURNING ",
        user_columns!()
    );
    let row = app
        .database
        .row(SQL, &[&caller.sub, &nickname, &rank])
        .await?
        .ok_or_else(not_registered)?;
    Ok(Json(User::from(&row)))
}

/// Deletes the account and gives its seats back.
///
/// Participations go before their matches are counted down, as in leaving, so
/// the locks are taken in the same order. A join by the same person that gets
/// in between keeps the user row from going; then all starts again.
pub async fn delete(State(app): State<Arc<App>>, caller: SignedIn) -> Result<StatusCode, Problem> {
    let deleted = app
        .database
        .transaction(
            |transaction| {
                let sub = caller.sub.clone();
                Box::pin(async move { delete_account(transaction, &sub).await })
            },
            |error| error.constraint() == Some("participants_user_id_fkey"),
        )
        .await?;
    if deleted {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(not_registered())
    }
}

async fn delete_account(transaction: &Transaction<'_>, sub: &str) -> Result<bool, DatabaseError> {
    let left = transaction
        .query(
            "WITH gone AS (DELETE FROM participants
                           WHERE user_id = (SELECT id FROM users WHERE cognito_sub = $1) RETURNING match_id),
                  held AS (SELECT m.id FROM matches m WHERE m.id IN (SELECT match_id FROM gone)
                           ORDER BY m.id FOR UPDATE)
             UPDATE matches t SET joined = t.joined - 1 FROM held WHERE t.id = held.id RETURNING t.id",
            &[&sub],
        )
        .await?;
    let deleted = transaction
        .execute("DELETE FROM users WHERE cognito_sub = $1", &[&sub])
        .await?;
    if !left.is_empty() {
        let ids = left.iter().map(|row| row.get(0)).collect();
        transaction
            .execute(
                "SELECT pg_notify($1, $2)",
                &[&feed::CHANNEL, &feed::payload(&ids)],
            )
            .await?;
    }
    Ok(deleted > 0)
}
