//! `POST /api/matches/{id}/participants`: I play.
//!
//! A join is one statement ([`sql`]). Joins of one match compete for its row,
//! so while one is under way the next ones wait here and then go together, in
//! one statement as well: a hot match costs a few statements a millisecond
//! instead of hundreds in each other's way. The first join of a quiet match
//! waits for nobody.

mod outcome;
mod sql;

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use time::OffsetDateTime;
use tokio::sync::oneshot;

use super::feed::Feed;
use super::{Matches, no_such_match};
use crate::app::App;
use crate::caller::{SignedIn, not_registered};
use crate::input::{Id, IdempotencyKey};
use crate::korea;
use crate::problem::{Code, Problem};
use outcome::Outcome;

/// Joins of one statement.
const LARGEST_BATCH: usize = 128;
/// Joins waiting for one match.
const LONGEST_QUEUE: usize = 4_096;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Participation {
    id: i64,
    match_id: i64,
    user_id: i64,
    #[serde(serialize_with = "korea::serialize")]
    joined_at: OffsetDateTime,
}

/// 201 with the participation. With an `Idempotency-Key`, asking again while
/// the participation lasts gets the same answer instead of `ALREADY_JOINED`.
pub async fn join(
    State(matches): State<Matches>,
    caller: SignedIn,
    Id(match_id): Id,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<(StatusCode, Json<Participation>), Problem> {
    match matches.joins.join(match_id, caller.sub, key).await? {
        Outcome::Joined {
            id,
            user_id,
            joined_at,
        } => Ok((
            StatusCode::CREATED,
            Json(Participation {
                id,
                match_id,
                user_id,
                joined_at,
            }),
        )),
        Outcome::Already => Err(Problem::new(
            Code::AlreadyJoined,
            "you have already joined this match",
        )),
        Outcome::Full => Err(Problem::new(Code::MatchFull, "every seat is taken")),
        Outcome::Closed => Err(Problem::new(
            Code::MatchClosed,
            "this match takes no more players",
        )),
        Outcome::NoSuchMatch => Err(no_such_match()),
        Outcome::NoSuchUser => Err(not_registered()),
    }
}

/// One join that waits for its answer.
struct Request {
    sub: String,
    key: Option<String>,
    answer: oneshot::Sender<Result<Outcome, Problem>>,
}

/// The joins under way in this process.
pub struct Joins {
    app: Arc<App>,
    feed: Arc<Feed>,
    /// A match is here while a join of it is under way, with those who wait.
    queues: Mutex<HashMap<i64, Vec<Request>>>,
}

impl Joins {
    #[must_use]
    pub fn new(app: Arc<App>, feed: Arc<Feed>) -> Self {
        Self {
            app,
            feed,
            queues: Mutex::default(),
        }
    }

    async fn join(
        self: &Arc<Self>,
        match_id: i64,
        sub: String,
        key: Option<String>,
    ) -> Result<Outcome, Problem> {
        let (answer, answered) = oneshot::channel();
        self.enqueue(match_id, Request { sub, key, answer })?;
        answered.await.unwrap_or_else(|_| {
            Err(Problem::new(
                Code::Internal,
                "something went wrong on our side",
            ))
        })
    }

    /// The work is a task of its own: a caller who hangs up takes nobody along.
    fn enqueue(self: &Arc<Self>, match_id: i64, request: Request) -> Result<(), Problem> {
        let mut queues = self.queues.lock().expect("no panic while the lock is held");
        if let Some(queue) = queues.get_mut(&match_id) {
            if queue.len() >= LONGEST_QUEUE {
                return Err(Problem::new(
                    Code::Unavailable,
                    "too many want to join at once; try again",
                ));
            }
            queue.push(request);
        } else {
            queues.insert(match_id, Vec::new());
            let turn = Turn {
                joins: Arc::clone(self),
                match_id,
            };
            self.app.tasks.spawn(turn.run(request));
        }
        Ok(())
    }
}

/// The right to join one match. There is one for each match in `queues`.
struct Turn {
    joins: Arc<Joins>,
    match_id: i64,
}

impl Turn {
    async fn run(self, first: Request) {
        let mut batch = vec![first];
        while !batch.is_empty() {
            self.work(batch).await;
            batch = self.next();
        }
    }

    /// Those who wait now; when there are none, the turn is over.
    fn next(&self) -> Vec<Request> {
        let mut queues = self
            .joins
            .queues
            .lock()
            .expect("no panic while the lock is held");
        let Some(queue) = queues.get_mut(&self.match_id) else {
            return Vec::new();
        };
        if queue.is_empty() {
            queues.remove(&self.match_id);
            return Vec::new();
        }
        let size = queue.len().min(LARGEST_BATCH);
        queue.drain(..size).collect()
    }

    async fn work(&self, batch: Vec<Request>) {
        let metrics = &self.joins.app.metrics;
        if batch.len() > 1 {
            metrics
                .joins_batched
                .fetch_add(batch.len() as u64, Ordering::Relaxed);
            match sql::join_all(&self.joins.app.database, self.match_id, &batch).await {
                Ok(outcomes) => {
                    self.tell(&outcomes);
                    for (request, outcome) in batch.into_iter().zip(outcomes) {
                        answer(request, Ok(outcome));
                    }
                    return;
                }
                Err(error) => {
                    let problem = Problem::from(error);
                    for request in batch {
                        answer(request, Err(problem.clone()));
                    }
                    return;
                }
            }
        }
        for request in batch {
            metrics.joins_single.fetch_add(1, Ordering::Relaxed);
            let database = &self.joins.app.database;
            let outcome = sql::join_one(
                database,
                self.match_id,
                &request.sub,
                request.key.as_deref(),
            )
            .await;
            if let Ok(outcome) = &outcome {
                self.tell(std::slice::from_ref(outcome));
            }
            answer(request, outcome.map_err(Problem::from));
        }
    }

    /// Before anybody is answered, so that whoever has joined sees it in the list.
    fn tell(&self, outcomes: &[Outcome]) {
        if outcomes
            .iter()
            .any(|outcome| matches!(outcome, Outcome::Joined { .. }))
        {
            self.joins.feed.changed(self.match_id);
        }
    }
}

/// A turn that ends by a panic takes its queue along: the waiting see their
/// sender gone and answer with an error, the next join starts afresh.
impl Drop for Turn {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.joins
                .queues
                .lock()
                .expect("no panic while the lock is held")
                .remove(&self.match_id);
        }
    }
}

fn answer(request: Request, outcome: Result<Outcome, Problem>) {
    // a caller who has hung up reads no answer
    drop(request.answer.send(outcome));
}
