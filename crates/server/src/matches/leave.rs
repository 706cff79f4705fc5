//! `DELETE /api/matches/{id}/participants`: I do not play after all.

use axum::extract::State;
use axum::http::StatusCode;

use super::{Matches, no_such_match};
use crate::caller::{SignedIn, not_registered};
use crate::input::Id;
use crate::problem::{Code, Problem};

/// The participation first, then the count on the match: the order in which
/// joining takes its locks.
const LEAVE: &str = "WITH
    u AS (SELECT id FROM users WHERE cognito_sub = $2),
    m AS (SELECT id, starts_at <= now() AS over FROM matches WHERE id = $1),
    gone AS (DELETE FROM participants p USING m, u
             WHERE p.match_id = m.id AND p.user_id = u.id AND NOT m.over RETURNING p.match_id),
    counted AS (UPDATE matches t SET joined = t.joined - 1 FROM gone WHERE t.id = gone.match_id RETURNING t.id)
    SELECT CASE
        WHEN u.id IS NULL THEN 'stranger'
        WHEN EXISTS (SELECT 1 FROM counted) THEN 'left'
        WHEN m.over AND EXISTS (SELECT 1 FROM participants WHERE match_id = $1 AND user_id = u.id) THEN 'over'
        ELSE 'absent' END
    FROM m LEFT JOIN u ON true";

pub async fn leave(
    State(matches): State<Matches>,
    caller: SignedIn,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    let row = matches
        .app
        .database
        .row(LEAVE, &[&id, &caller.sub])
        .await?
        .ok_or_else(no_such_match)?;
    match row.get(0) {
        "left" => {
            matches.feed.changed(id);
            Ok(StatusCode::NO_CONTENT)
        }
        "stranger" => Err(not_registered()),
        "over" => Err(Problem::new(
            Code::MatchClosed,
            "the match has already begun",
        )),
        _ => Err(Problem::new(
            Code::NotJoined,
            "you have not joined this match",
        )),
    }
}
