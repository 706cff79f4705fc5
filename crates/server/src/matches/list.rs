//! `GET /api/matches`: which matches are there?
//!
//! The page without filters, which everybody opens, is kept ready to send.
//! It is good until something changes: a write of this process makes it old at
//! once (who has joined sees it), a write of another one within some 20 ms
//! through the feed. One reader at a time loads it anew; the rest wait for
//! that.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Deserialize;
use time::OffsetDateTime;
use tokio::sync::Mutex;
use tokio_postgres::Row;

use super::feed::Generation;
use super::{Match, MatchStatus, Matches, match_columns};
use crate::caller::SignedIn;
use crate::database::DatabaseError;
use crate::input::{Faults, Params};
use crate::problem::{Code, Problem};
use crate::{korea, page};

/// Bounds the age of the ready page when another process ended between its
/// write and telling us.
const OLDEST: Duration = Duration::from_secs(3);

/// [`MatchStatus::of`] in SQL.
macro_rules! status_sql {
    () => {
        "CASE WHEN canceled_at IS NOT NULL THEN 'CANCELED'
              WHEN starts_at <= now() THEN 'CLOSED'
              WHEN joined >= max_players THEN 'FULL'
              ELSE 'OPEN' END"
    };
}

#[derive(Deserialize, Default)]
pub struct Filter {
    status: Option<String>,
    from: Option<String>,
    to: Option<String>,
    limit: Option<i64>,
    cursor: Option<i64>,
}

/// The same, checked.
struct Query {
    status: Option<String>,
    from: Option<OffsetDateTime>,
    to: Option<OffsetDateTime>,
    limit: i64,
    cursor: Option<i64>,
}

impl Filter {
    fn is_plain(&self) -> bool {
        let Self {
            status,
            from,
            to,
            limit,
            cursor,
        } = self;
        status.is_none() && from.is_none() && to.is_none() && limit.is_none() && cursor.is_none()
    }

    fn check(self) -> Result<Query, Problem> {
        let mut faults = Faults::default();
        let limit = page::limit(self.limit, &mut faults);
        if self
            .status
            .as_deref()
            .is_some_and(|word| !["OPEN", "FULL", "CLOSED", "CANCELED"].contains(&word))
        {
            faults.add("status", "must be OPEN, FULL, CLOSED or CANCELED");
        }
        let mut instant = |field, text: Option<&str>| {
            let instant = text.and_then(korea::parse);
            if instant.is_none() && text.is_some() {
                faults.add(field, "must be an ISO 8601 date and time");
            }
            instant
        };
        let from = instant("from", self.from.as_deref());
        let to = instant("to", self.to.as_deref());
        faults.check()?;
        Ok(Query {
            status: self.status,
            from,
            to,
            limit,
            cursor: self.cursor,
        })
    }
}

pub async fn list(
    State(matches): State<Matches>,
    _: SignedIn,
    headers: HeaderMap,
    Params(filter): Params<Filter>,
) -> Result<Response, Problem> {
    if filter.is_plain() {
        let page = ready_page(&matches).await?;
        return Ok(page.respond(&headers));
    }
    let link_filter = [
        ("status", filter.status.clone()),
        ("from", filter.from.clone()),
        ("to", filter.to.clone()),
        ("limit", filter.limit.map(|limit| limit.to_string())),
    ];
    let query = filter.check()?;
    let (rows, last) = load(&matches, &query).await?;
    let now = OffsetDateTime::now_utc();
    let body: Vec<Match> = rows.iter().map(|row| Match::from_row(row, now)).collect();
    Ok((
        page::link("/api/matches", &link_filter, last),
        axum::Json(body),
    )
        .into_response())
}

async fn load(matches: &Matches, query: &Query) -> Result<(Vec<Row>, Option<i64>), DatabaseError> {
    const SQL: &str = concat!(
        "SELECT ",
        match_columns!(),
        " FROM matches
          WHERE ($1::text IS NULL OR ",
        status_sql!(),
        " = $1)
            AND ($2::timestamptz IS NULL OR starts_at >= $2)
            AND ($3::timestamptz IS NULL OR starts_at < $3)
            AND ($4::bigint IS NULL OR id < $4)
          ORDER BY id DESC LIMIT $5"
    );
    let Query {
        status,
        from,
        to,
        limit,
        cursor,
    } = query;
    let mut rows = matches
        .app
        .database
        .rows(SQL, &[status, from, to, cursor, &(limit + 1)])
        .await?;
    let last = page::cut(&mut rows, *limit).map(|row| row.get::<_, i64>(0));
    Ok((rows, last))
}

/// The first page, ready to send.
pub struct ReadyPage {
    body: Bytes,
    etag: HeaderValue,
    headers: HeaderMap,
    generation: Generation,
    loaded_at: Instant,
    /// When the first match on it closes by itself.
    closes_at: Option<OffsetDateTime>,
}

/// Keeps the ready page; the lock is also the queue of those who wait for it.
#[derive(Default)]
pub struct ListCache(Mutex<Option<Arc<ReadyPage>>>);

async fn ready_page(matches: &Matches) -> Result<Arc<ReadyPage>, Problem> {
    let mut kept = matches.list.0.lock().await;
    if let Some(page) = &*kept
        && page.is_good(matches)
    {
        matches
            .app
            .metrics
            .list_hits
            .fetch_add(1, Ordering::Relaxed);
        return Ok(Arc::clone(page));
    }
    // read before the rows are: a change in between makes this page old
    let generation = matches.feed.generation();
    let query = Query {
        status: None,
        from: None,
        to: None,
        limit: page::DEFAULT_LIMIT,
        cursor: None,
    };
    let (rows, last) = load(matches, &query).await?;
    matches
        .app
        .metrics
        .list_loads
        .fetch_add(1, Ordering::Relaxed);
    let page = Arc::new(ReadyPage::new(&rows, last, generation)?);
    *kept = Some(Arc::clone(&page));
    Ok(page)
}

impl ReadyPage {
    fn new(rows: &[Row], last: Option<i64>, generation: Generation) -> Result<Self, Problem> {
        let now = OffsetDateTime::now_utc();
        let shown: Vec<Match> = rows.iter().map(|row| Match::from_row(row, now)).collect();
        let closes_at = shown
            .iter()
            .filter(|shown| matches!(shown.match_status, MatchStatus::Open | MatchStatus::Full))
            .map(|shown| shown.match_date_time)
            .min();
        let body = serde_json::to_vec(&shown)
            .map_err(|_| Problem::new(Code::Internal, "something went wrong on our side"))?;
        Ok(Self {
            etag: etag(&body),
            body: body.into(),
            headers: page::link("/api/matches", &[], last),
            generation,
            loaded_at: Instant::now(),
            closes_at,
        })
    }

    fn is_good(&self, matches: &Matches) -> bool {
        self.generation == matches.feed.generation()
            && self.loaded_at.elapsed() < OLDEST
            && self
                .closes_at
                .is_none_or(|at| OffsetDateTime::now_utc() < at)
    }

    fn respond(&self, request: &HeaderMap) -> Response {
        let mut headers = self.headers.clone();
        headers.insert(header::ETAG, self.etag.clone());
        headers.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static("private, no-cache"),
        );
        if request.get(header::IF_NONE_MATCH) == Some(&self.etag) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        (headers, self.body.clone()).into_response()
    }
}

/// Equal bodies of all processes have equal tags (SipHash with a fixed key).
fn etag(body: &[u8]) -> HeaderValue {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    hasher.write(body);
    HeaderValue::from_str(&format!("\"{:016x}\"", hasher.finish()))
        .expect("hexadecimal digits in quotes")
}
