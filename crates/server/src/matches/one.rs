//! `/api/matches/{id}`: create, show, change, cancel and delete a match.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use deadpool_postgres::Transaction;
use serde::Deserialize;
use time::OffsetDateTime;

use super::{Match, Matches, match_columns, no_such_match};
use crate::caller::{Admin, SignedIn};
use crate::database::DatabaseError;
use crate::input::{Body, Faults, Id};
use crate::korea;
use crate::problem::{Code, Problem};

/// A match as an administrator describes it. Who created it is the caller,
/// whatever else the body says.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    location: Option<String>,
    match_date_time: Option<String>,
    max_players: Option<i32>,
}

/// The same, checked.
struct Checked {
    location: Option<String>,
    starts_at: Option<OffsetDateTime>,
    max_players: Option<i32>,
}

impl Description {
    fn check(self, complete: bool) -> Result<Checked, Problem> {
        const LOCATION: &str = "must be 1 to 255 characters on one line";
        const TIME: &str = "must be an ISO 8601 date and time in the future";
        const PLAYERS: &str = "must be 2 to 22";
        let mut faults = Faults::default();
        if complete {
            for (absent, field, detail) in [
                (self.location.is_none(), "location", LOCATION),
                (self.match_date_time.is_none(), "matchDateTime", TIME),
                (self.max_players.is_none(), "maxPlayers", PLAYERS),
            ] {
                if absent {
                    faults.add(field, detail);
                }
            }
        }
        let location = self
            .location
            .map(|text| faults.line("location", &text, 255, LOCATION));
        let starts_at = self.match_date_time.as_deref().and_then(|text| {
            let instant = korea::parse(text).filter(|instant| *instant > OffsetDateTime::now_utc());
            if instant.is_none() {
                faults.add("matchDateTime", TIME);
            }
            instant
        });
        if self
            .max_players
            .is_some_and(|players| !(2..=22).contains(&players))
        {
            faults.add("maxPlayers", PLAYERS);
        }
        faults.check()?;
        Ok(Checked {
            location,
            starts_at,
            max_players: self.max_players,
        })
    }
}

fn shown(row: &tokio_postgres::Row) -> Json<Match> {
    Json(Match::from_row(row, OffsetDateTime::now_utc()))
}

pub async fn create(
    State(matches): State<Matches>,
    caller: Admin,
    Body(description): Body<Description>,
) -> Result<(StatusCode, HeaderMap, Json<Match>), Problem> {
    let Checked {
        location,
        starts_at,
        max_players,
    } = description.check(true)?;
    const SQL: &str = concat!(
        "INSERT INTO matches (location, starts_at, max_players, created_by)
         VALUES ($1, $2, $3, $4) RETURNING ",
        match_columns!()
    );
    let row = matches
        .app
        .database
        .row(SQL, &[&location, &starts_at, &max_players, &caller.id])
        .await?;
    let Json(created) = row.as_ref().map(shown).ok_or_else(no_such_match)?;
    matches.feed.changed(created.id);
    let mut headers = HeaderMap::new();
    if let Ok(place) = HeaderValue::from_str(&format!("/api/matches/{}", created.id)) {
        headers.insert(header::LOCATION, place);
    }
    Ok((StatusCode::CREATED, headers, Json(created)))
}

pub async fn show(
    State(matches): State<Matches>,
    _: SignedIn,
    Id(id): Id,
) -> Result<Json<Match>, Problem> {
    const SQL: &str = concat!("SELECT ", match_columns!(), " FROM matches WHERE id = $1");
    let row = matches.app.database.row(SQL, &[&id]).await?;
    row.as_ref().map(shown).ok_or_else(no_such_match)
}

/// Changes what is given; what is absent stays as it is.
pub async fn change(
    State(matches): State<Matches>,
    _: Admin,
    Id(id): Id,
    Body(description): Body<Description>,
) -> Result<Json<Match>, Problem> {
    let Checked {
        location,
        starts_at,
        max_players,
    } = description.check(false)?;
    const SQL: &str = concat!(
        "UPDATE matches SET location = coalesce($2, location), starts_at = coalesce($3, starts_at),
             max_players = coalesce($4, max_players), updated_at = now()
         WHERE id = $1 AND canceled_at IS NULL RETURNING ",
        match_columns!()
    );
    let changed = matches
        .app
        .database
        .row(SQL, &[&id, &location, &starts_at, &max_players])
        .await;
    let row = changed.map_err(|error| match error.constraint() {
        Some("matches_joined_within_seats") => Problem::new(
            Code::SeatsTaken,
            "more players have joined than there would be seats",
        ),
        _ => error.into(),
    })?;
    match row {
        Some(row) => {
            matches.feed.changed(id);
            Ok(shown(&row))
        }
        None => {
            let exists = matches
                .app
                .database
                .row("SELECT 1 FROM matches WHERE id = $1", &[&id])
                .await?;
            exists.ok_or_else(no_such_match)?;
            Err(Problem::new(Code::MatchClosed, "the match was canceled"))
        }
    }
}

/// Calls a match off. Doing it twice is doing it once.
pub async fn cancel(
    State(matches): State<Matches>,
    _: Admin,
    Id(id): Id,
) -> Result<Json<Match>, Problem> {
    const SQL: &str = concat!(
        "UPDATE matches SET canceled_at = coalesce(canceled_at, now()), updated_at = now()
         WHERE id = $1 RETURNING ",
        match_columns!()
    );
    let row = matches
        .app
        .database
        .row(SQL, &[&id])
        .await?
        .ok_or_else(no_such_match)?;
    matches.feed.changed(id);
    Ok(shown(&row))
}

/// Removes a match and its participations. Participations go first, the order
/// in which a player who leaves locks them; one who joins in between goes with
/// the match.
pub async fn delete(
    State(matches): State<Matches>,
    _: Admin,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    let removed = matches
        .app
        .database
        .transaction(
            |transaction| Box::pin(delete_match(transaction, id)),
            |_| false,
        )
        .await?;
    if removed == 0 {
        return Err(no_such_match());
    }
    matches.feed.changed(id);
    Ok(StatusCode::NO_CONTENT)
}

async fn delete_match(transaction: &Transaction<'_>, id: i64) -> Result<u64, DatabaseError> {
    transaction
        .execute("DELETE FROM participants WHERE match_id = $1", &[&id])
        .await?;
    Ok(transaction
        .execute("DELETE FROM matches WHERE id = $1", &[&id])
        .await?)
}
