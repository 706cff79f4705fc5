//! The `matches` role: which matches are there, and who plays in them?

pub mod events;
pub mod feed;
pub mod join;
pub mod leave;
pub mod list;
pub mod mine;
pub mod one;
pub mod participants;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::{get, post};
use serde::Serialize;
use time::OffsetDateTime;
use tokio_postgres::Row;

use crate::app::App;
use crate::problem::{Code, Problem};
use crate::{health, korea, openapi, request};
use feed::Feed;
use join::Joins;
use list::ListCache;

/// What the handlers of this role share beyond [`App`].
#[derive(Clone)]
pub struct Matches {
    pub app: Arc<App>,
    pub feed: Arc<Feed>,
    joins: Arc<Joins>,
    list: Arc<ListCache>,
    streams: Arc<events::Streams>,
}

impl Matches {
    /// Starts the feed's task, which ends with the app.
    #[must_use]
    pub fn start(app: &Arc<App>) -> Self {
        let feed = Arc::new(Feed::default());
        app.tasks
            .spawn(feed::run(Arc::clone(app), Arc::clone(&feed)));
        let joins = Arc::new(Joins::new(Arc::clone(app), Arc::clone(&feed)));
        Self {
            app: Arc::clone(app),
            feed,
            joins,
            list: Arc::default(),
            streams: Arc::default(),
        }
    }
}

impl FromRef<Matches> for Arc<App> {
    fn from_ref(matches: &Matches) -> Self {
        Self::clone(&matches.app)
    }
}

/// All routes of the role.
pub fn router(matches: Matches) -> Router {
    let app = Arc::clone(&matches.app);
    let routes = Router::new()
        .route("/api/matches", get(list::list).post(one::create))
        .route("/api/matches/me", get(mine::mine))
        .route("/api/matches/events", get(events::events))
        .route("/api/matches/openapi.json", get(openapi::matches))
        .route(
            "/api/matches/{id}",
            get(one::show).put(one::change).delete(one::delete),
        )
        .route("/api/matches/{id}/cancel", post(one::cancel))
        .route(
            "/api/matches/{id}/participants",
            get(participants::list)
                .post(join::join)
                .delete(leave::leave),
        )
        .route("/health", get(health::health))
        .with_state(matches);
    request::wrap(routes, app)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum MatchStatus {
    Open,
    Full,
    /// Its time has come.
    Closed,
    Canceled,
}

impl MatchStatus {
    /// The status that follows from what is stored and the time.
    /// The filter of [`list`] says the same in SQL.
    #[must_use]
    pub fn of(
        canceled: bool,
        starts_at: OffsetDateTime,
        joined: i32,
        max_players: i32,
        now: OffsetDateTime,
    ) -> Self {
        if canceled {
            Self::Canceled
        } else if starts_at <= now {
            Self::Closed
        } else if joined >= max_players {
            Self::Full
        } else {
            Self::Open
        }
    }
}

/// A match as the API shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Match {
    pub id: i64,
    location: String,
    #[serde(serialize_with = "korea::serialize")]
    pub match_date_time: OffsetDateTime,
    max_players: i32,
    match_status: MatchStatus,
    created_by: Option<i64>,
    current_players: i32,
    #[serde(serialize_with = "korea::serialize")]
    created_at: OffsetDateTime,
    #[serde(serialize_with = "korea::serialize")]
    updated_at: OffsetDateTime,
}

/// The columns [`Match::from_row`] reads, in its order.
macro_rules! match_columns {
    () => {
        "id, location, starts_at, max_players, joined, canceled_at IS NOT NULL, created_by, created_at, updated_at"
    };
}
pub(crate) use match_columns;

impl Match {
    pub fn from_row(row: &Row, now: OffsetDateTime) -> Self {
        let (match_date_time, max_players, current_players) = (row.get(2), row.get(3), row.get(4));
        Self {
            id: row.get(0),
            location: row.get(1),
            match_date_time,
            max_players,
            match_status: MatchStatus::of(
                row.get(5),
                match_date_time,
                current_players,
                max_players,
                now,
            ),
            created_by: row.get(6),
            current_players,
            created_at: row.get(7),
            updated_at: row.get(8),
        }
    }
}

fn no_such_match() -> Problem {
    Problem::new(Code::NotFound, "there is no such match")
}
