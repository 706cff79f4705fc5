//! `GET /api/matches/{id}/participants`: who has joined, for administrators.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use time::OffsetDateTime;

use super::{Matches, no_such_match};
use crate::caller::Admin;
use crate::input::Id;
use crate::korea;
use crate::problem::Problem;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Participant {
    id: i64,
    match_id: i64,
    user_id: i64,
    nickname: String,
    email: String,
    rank: String,
    #[serde(serialize_with = "korea::serialize")]
    joined_at: OffsetDateTime,
}

/// In the order of joining. A match has 22 seats at most, so there are no pages.
pub async fn list(
    State(matches): State<Matches>,
    _: Admin,
    Id(id): Id,
) -> Result<Json<Vec<Participant>>, Problem> {
    let rows = matches
        .app
        .database
        .rows(
            "SELECT p.id, p.user_id, u.nickname, u.email, u.rank, p.joined_at
             FROM matches m LEFT JOIN participants p ON p.match_id = m.id LEFT JOIN users u ON u.id = p.user_id
             WHERE m.id = $1 ORDER BY p.joined_at, p.id",
            &[&id],
        )
        .await?;
    if rows.is_empty() {
        return Err(no_such_match());
    }
    let participants = rows
        .iter()
        // the one row of a match nobody has joined
        .filter(|row| row.get::<_, Option<i64>>(0).is_some())
        .map(|row| Participant {
            id: row.get(0),
            match_id: id,
            user_id: row.get(1),
            nickname: row.get(2),
            email: row.get(3),
            rank: row.get(4),
            joined_at: row.get(5),
        })
        .collect();
    Ok(Json(participants))
}
