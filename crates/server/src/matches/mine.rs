//! `GET /api/matches/me`: where do I play, where have I played?

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use time::OffsetDateTime;

use super::{MatchStatus, Matches};
use crate::caller::{SignedIn, not_registered};
use crate::korea;
use crate::problem::Problem;

/// The most recent ones shown; the summary counts all.
const MOST_SHOWN: i64 = 200;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mine {
    summary: Summary,
    matches: Vec<Participation>,
}

/// A canceled match is neither upcoming nor completed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    total_count: i64,
    upcoming_count: i64,
    completed_count: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Participation {
    id: i64,
    participant_id: i64,
    location: String,
    #[serde(serialize_with = "korea::serialize")]
    match_date_time: OffsetDateTime,
    max_players: i32,
    current_players: i32,
    #[serde(serialize_with = "korea::serialize")]
    joined_at: OffsetDateTime,
    match_status: MatchStatus,
}

pub async fn mine(State(matches): State<Matches>, caller: SignedIn) -> Result<Json<Mine>, Problem> {
    // an account without any participation is one row of nothing
    const SQL: &str = "SELECT m.id, p.id, m.location, m.starts_at, m.max_players, m.joined, p.joined_at,
             m.canceled_at IS NOT NULL,
             count(p.id) OVER (),
             count(p.id) FILTER (WHERE m.canceled_at IS NULL AND m.starts_at > now()) OVER (),
             count(p.id) FILTER (WHERE m.canceled_at IS NULL AND m.starts_at <= now()) OVER ()
         FROM users u LEFT JOIN participants p ON p.user_id = u.id LEFT JOIN matches m ON m.id = p.match_id
         WHERE u.cognito_sub = $1
         ORDER BY m.starts_at DESC, m.id DESC LIMIT $2";
    let rows = matches
        .app
        .database
        .rows(SQL, &[&caller.sub, &MOST_SHOWN])
        .await?;
    let first = rows.first().ok_or_else(not_registered)?;
    let summary = Summary {
        total_count: first.get(8),
        upcoming_count: first.get(9),
        completed_count: first.get(10),
    };
    let now = OffsetDateTime::now_utc();
    let matches = rows
        .iter()
        .filter(|row| row.get::<_, Option<i64>>(1).is_some())
        .map(|row| {
            let (match_date_time, max_players, current_players) =
                (row.get(3), row.get(4), row.get(5));
            Participation {
                id: row.get(0),
                participant_id: row.get(1),
                location: row.get(2),
                match_date_time,
                max_players,
                current_players,
                joined_at: row.get(6),
                match_status: MatchStatus::of(
                    row.get(7),
                    match_date_time,
                    current_players,
                    max_players,
                    now,
                ),
            }
        })
        .collect();
    Ok(Json(Mine { summary, matches }))
}
