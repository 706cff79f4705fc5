//! The statements that take seats.
//!
//! Both insert the participation first and count it on the match after that;
//! the check constraint on the match aborts the whole statement when the last
//! seat went to someone else in between. The count is also where a match that
//! was canceled, or moved into the past, meanwhile says no: the update sees the
//! newest row and runs into the constraint on purpose. Then the statement runs
//! again, and now its snapshot shows what happened.

use std::collections::{HashMap, HashSet};

use time::OffsetDateTime;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use super::Request;
use super::outcome::Outcome;
use crate::database::{Database, DatabaseError};

/// Each attempt after a lost race sees the winner's commit.
const MOST_ATTEMPTS: usize = 8;

/// `$1` match, `$2` subject of the user, `$3` key.
const JOIN_ONE: &str = "WITH
    u AS (SELECT id FROM users WHERE cognito_sub = $2),
    m AS (SELECT id, joined < max_players AS has_room, canceled_at IS NULL AND starts_at > now() AS open
          FROM matches WHERE id = $1),
    new AS (INSERT INTO participants (match_id, user_id, join_key)
            SELECT m.id, u.id, $3 FROM m, u WHERE has_room AND open
            ON CONFLICT ON CONSTRAINT participants_once DO NOTHING
            RETURNING id, match_id, join_key, joined_at),
    counted AS (UPDATE matches t
                SET joined = CASE WHEN t.canceled_at IS NULL AND t.starts_at > now()
                                  THEN t.joined + 1 ELSE t.max_players + 1 END
                FROM new WHERE t.id = new.match_id RETURNING t.id)
    SELECT CASE
        WHEN u.id IS NULL THEN 'stranger'
        WHEN new.id IS NOT NULL THEN 'joined'
        WHEN old.id IS NOT NULL THEN 'already'
        WHEN NOT m.open THEN 'closed'
        WHEN NOT m.has_room THEN 'full'
        ELSE 'lost' END,
        u.id, coalesce(new.id, old.id), coalesce(new.joined_at, old.joined_at), coalesce(new.join_key, old.join_key)
    FROM m LEFT JOIN u ON true
           LEFT JOIN new ON true
           LEFT JOIN participants old ON old.match_id = $1 AND old.user_id = u.id";

/// `$1` match, `$2` subjects of users, `$3` keys, in the order of asking. A
/// user who asks twice is one wish. Seats go in the order of asking, rows are
/// inserted in the order of users, so two of these cannot wait for each other.
const JOIN_ALL: &str = "WITH
    m AS (SELECT id, max_players - joined AS free, canceled_at IS NULL AND starts_at > now() AS open
          FROM matches WHERE id = $1),
    wish AS (SELECT DISTINCT ON (w.sub) w.sub, w.key, w.turn, u.id AS user_id
             FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS w (sub, key, turn)
                  LEFT JOIN users u ON u.cognito_sub = w.sub
             ORDER BY w.sub, w.turn),
    old AS (SELECT id, user_id, join_key, joined_at FROM participants
            WHERE match_id = $1 AND user_id IN (SELECT user_id FROM wish)),
    pick AS (SELECT user_id, key FROM wish
             WHERE user_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM old WHERE old.user_id = wish.user_id)
             ORDER BY turn
             LIMIT (SELECT coalesce(max(greatest(free, 0)), 0) FROM m WHERE open)),
    new AS (INSERT INTO participants (match_id, user_id, join_key)
            SELECT $1, user_id, key FROM pick ORDER BY user_id
            ON CONFLICT ON CONSTRAINT participants_once DO NOTHING
            RETURNING id, user_id, join_key, joined_at),
    counted AS (UPDATE matches t
                SET joined = CASE WHEN t.canceled_at IS NULL AND t.starts_at > now()
                                  THEN t.joined + (SELECT count(*) FROM new)::integer
                                  ELSE t.max_players + 1 END
                WHERE t.id = $1 AND EXISTS (SELECT 1 FROM new) RETURNING t.id)
    SELECT CASE
        WHEN wish.user_id IS NULL THEN 'stranger'
        WHEN new.id IS NOT NULL THEN 'joined'
        WHEN old.id IS NOT NULL THEN 'already'
        WHEN pick.user_id IS NOT NULL THEN 'lost'
        WHEN NOT m.open THEN 'closed'
        ELSE 'full' END,
        wish.user_id, coalesce(new.id, old.id), coalesce(new.joined_at, old.joined_at),
        coalesce(new.join_key, old.join_key), wish.sub
    FROM m CROSS JOIN wish
           LEFT JOIN new ON new.user_id = wish.user_id
           LEFT JOIN old ON old.user_id = wish.user_id
           LEFT JOIN pick ON pick.user_id = wish.user_id";

/// What a row of either statement says of one user.
struct Word {
    word: String,
    seat: Option<Outcome>,
    key: Option<String>,
}

impl Word {
    fn from_row(row: &Row) -> Self {
        let seat = || {
            Some(Outcome::Joined {
                user_id: row.get::<_, Option<i64>>(1)?,
                id: row.get::<_, Option<i64>>(2)?,
                joined_at: row.get::<_, Option<OffsetDateTime>>(3)?,
            })
        };
        Self {
            word: row.get(0),
            seat: seat(),
            key: row.get(4),
        }
    }

    /// The answer for a request with `key`; `first` if it is the one that the
    /// statement acted for. `None`: only another look can tell.
    fn outcome(&self, key: Option<&str>, first: bool) -> Option<Outcome> {
        let is_retry = key.is_some() && key == self.key.as_deref();
        match self.word.as_str() {
            "joined" if first => self.seat.clone(),
            "joined" | "already" if is_retry => self.seat.clone(),
            "joined" | "already" => Some(Outcome::Already),
            "closed" => Some(Outcome::Closed),
            "full" => Some(Outcome::Full),
            "stranger" => Some(Outcome::NoSuchUser),
            // another process took the seat for the same user at the same moment,
            // perhaps for the same request
            _ if key.is_some() => None,
            _ => Some(Outcome::Already),
        }
    }
}

/// Takes a seat for one user.
pub(super) async fn join_one(
    database: &Database,
    match_id: i64,
    sub: &str,
    key: Option<&str>,
) -> Result<Outcome, DatabaseError> {
    for _ in 0..MOST_ATTEMPTS {
        match database.row(JOIN_ONE, &[&match_id, &sub, &key]).await {
            Ok(None) => return Ok(Outcome::NoSuchMatch),
            Ok(Some(row)) => {
                if let Some(outcome) = Word::from_row(&row).outcome(key, true) {
                    return Ok(outcome);
                }
            }
            Err(error) if is_lost_race(&error) => {}
            Err(error) => return Err(error),
        }
    }
    // seats came and went each time we looked
    Ok(Outcome::Full)
}

/// Takes seats for many users of one match; outcomes in the order of `requests`.
pub(super) async fn join_all(
    database: &Database,
    match_id: i64,
    requests: &[Request],
) -> Result<Vec<Outcome>, DatabaseError> {
    let subs: Vec<&str> = requests
        .iter()
        .map(|request| request.sub.as_str())
        .collect();
    let keys: Vec<Option<&str>> = requests
        .iter()
        .map(|request| request.key.as_deref())
        .collect();
    for _ in 0..MOST_ATTEMPTS {
        match database.rows(JOIN_ALL, &[&match_id, &subs, &keys]).await {
            Ok(rows) => return outcomes(database, match_id, requests, &rows).await,
            Err(error) if is_lost_race(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(vec![Outcome::Full; requests.len()])
}

async fn outcomes(
    database: &Database,
    match_id: i64,
    requests: &[Request],
    rows: &[Row],
) -> Result<Vec<Outcome>, DatabaseError> {
    let words: HashMap<String, Word> = rows
        .iter()
        .map(|row| (row.get(5), Word::from_row(row)))
        .collect();
    let mut seen = HashSet::new();
    let mut outcomes = Vec::with_capacity(requests.len());
    for request in requests {
        let first = seen.insert(request.sub.as_str());
        let key = request.key.as_deref();
        let outcome = match words.get(&request.sub) {
            None => Outcome::NoSuchMatch,
            Some(word) => match word.outcome(key, first) {
                Some(outcome) => outcome,
                None => join_one(database, match_id, &request.sub, key).await?,
            },
        };
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// The last seat went to someone else, the match was canceled or deleted, or
/// the account was, while the statement ran.
fn is_lost_race(error: &DatabaseError) -> bool {
    match error.sql_state() {
        Some(state) if *state == SqlState::CHECK_VIOLATION => {
            error.constraint() == Some("matches_joined_within_seats")
        }
        Some(state) if *state == SqlState::FOREIGN_KEY_VIOLATION => {
            matches!(
                error.constraint(),
                Some("participants_match_id_fkey" | "participants_user_id_fkey")
            )
        }
        _ => false,
    }
}
