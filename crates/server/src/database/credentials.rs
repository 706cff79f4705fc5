//! Which user and password does the database accept just now?
//!
//! Kept between connections, replaced when the database refuses them. Reading
//! again is rationed: the first time at once, then with growing pauses, so a
//! wrong secret costs the account no flood of calls.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// After a failed reading, nobody else waits for the next failure.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A text that must not be shown.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// What the secret of a database says (the shape RDS and Secrets Manager use).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    pub username: String,
    pub password: Secret,
    pub host: String,
    pub port: u16,
    pub dbname: String,
}

/// Why credentials cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    #[error("the database secret cannot be read")]
    Unreadable(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the database secret has no text value")]
    NoText,
    #[error("the database secret is not the JSON of a database credential")]
    Malformed,
    #[error("the database secret could not be read just now")]
    Paused,
    #[error("the database refuses the current secret; it is read again in {} ms", .0.as_millis())]
    Refused(Duration),
}

type Fetch<'a> = Pin<Box<dyn Future<Output = Result<Credentials, CredentialError>> + Send + 'a>>;

/// Where credentials come from.
pub trait CredentialSource: Send + Sync {
    /// Reads the current credentials.
    fn fetch(&self) -> Fetch<'_>;
}

/// The credentials in use.
pub struct CredentialsCache {
    source: Box<dyn CredentialSource>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failed_at: Option<Instant>,
    current: Option<Arc<Credentials>>,
    /// When the source may be asked again, and how long to pause after that.
    next_read: Option<(Instant, Duration)>,
}

impl CredentialsCache {
    pub fn new(source: impl CredentialSource + 'static) -> Self {
        Self {
            source: Box::new(source),
            state: Mutex::default(),
        }
    }

    /// The credentials in use, read if there are none yet.
    ///
    /// # Errors
    /// The source failed.
    pub async fn current(&self) -> Result<Arc<Credentials>, CredentialError> {
        let mut state = self.state.lock().await;
        if let Some(current) = &state.current {
            return Ok(Arc::clone(current));
        }
        self.read(&mut state).await
    }

    /// Credentials to try instead of `refused`: those another connection has
    /// fetched meanwhile, or freshly read ones.
    ///
    /// # Errors
    /// The source failed, or it was asked so recently that it must wait.
    pub async fn replace(
        &self,
        refused: &Arc<Credentials>,
    ) -> Result<Arc<Credentials>, CredentialError> {
        let mut state = self.state.lock().await;
        match &state.current {
            Some(current) if !Arc::ptr_eq(current, refused) => return Ok(Arc::clone(current)),
            _ => {}
        }
        let now = Instant::now();
        let pause = match state.next_read {
            Some((due, _)) if now < due => return Err(CredentialError::Refused(due - now)),
            Some((_, pause)) => pause,
            None => FIRST_PAUSE,
        };
        state.next_read = Some((now + pause, (pause * 2).min(LONGEST_PAUSE)));
        self.read(&mut state).await
    }

    async fn read(&self, state: &mut State) -> Result<Arc<Credentials>, CredentialError> {
        if state
            .failed_at
            .is_some_and(|at| at.elapsed() < PAUSE_AFTER_FAILURE)
        {
            return Err(CredentialError::Paused);
        }
        match self.source.fetch().await {
            Ok(fetched) => {
                let fetched = Arc::new(fetched);
                state.failed_at = None;
                state.current = Some(Arc::clone(&fetched));
                Ok(fetched)
            }
            Err(error) => {
                state.failed_at = Some(Instant::now());
                Err(error)
            }
        }
    }

    /// The database took `credentials`: the next refusal is a new story.
    pub async fn accepted(&self, credentials: &Arc<Credentials>) {
        let mut state = self.state.lock().await;
        if state
            .current
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, credentials))
        {
            state.next_read = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU16, Ordering};

    /// Hands out a different port at each reading, to tell readings apart.
    struct Counting(Arc<AtomicU16>);

    impl CredentialSource for Counting {
        fn fetch(&self) -> Fetch<'_> {
            let port = self.0.fetch_add(1, Ordering::Relaxed) + 1;
            Box::pin(async move {
                Ok(Credentials {
                    username: "u".into(),
                    password: Secret::new("hunter2".into()),
                    host: "h".into(),
                    port,
                    dbname: "d".into(),
                })
            })
        }
    }

    fn counting() -> (Arc<AtomicU16>, CredentialsCache) {
        let reads = Arc::new(AtomicU16::new(0));
        (Arc::clone(&reads), CredentialsCache::new(Counting(reads)))
    }

    #[tokio::test]
    async fn read_once_and_once_more_for_any_number_of_refusals_of_the_same_password() {
        let (reads, cache) = counting();
        let first = cache.current().await.expect("read");
        assert!(Arc::ptr_eq(&first, &cache.current().await.expect("kept")));
        let second = cache.replace(&first).await.expect("read again");
        let third = cache.replace(&first).await.expect("someone else has it");
        assert!(Arc::ptr_eq(&second, &third));
        assert_eq!(reads.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_in_a_row_wait_longer_each_time_until_one_is_accepted() {
        let (reads, cache) = counting();
        let mut current = cache.current().await.expect("read");
        for pause_ms in [500, 1000, 2000] {
            current = cache.replace(&current).await.expect("its time has come");
            let error = cache.replace(&current).await.expect_err("too soon");
            assert!(
                matches!(error, CredentialError::Refused(wait) if wait.as_millis() == pause_ms),
                "{error}"
            );
            tokio::time::advance(Duration::from_millis(
                u64::try_from(pause_ms).expect("small"),
            ))
            .await;
        }
        current = cache.replace(&current).await.expect("its time has come");
        cache.accepted(&current).await;
        cache
            .replace(&current)
            .await
            .expect("a new story starts at once");
        assert_eq!(reads.load(Ordering::Relaxed), 6);
    }

    struct Away(Arc<AtomicU16>);

    impl CredentialSource for Away {
        fn fetch(&self) -> Fetch<'_> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { Err(CredentialError::NoText) })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_is_away_is_asked_once_a_second() {
        let reads = Arc::new(AtomicU16::new(0));
        let cache = CredentialsCache::new(Away(Arc::clone(&reads)));
        for _ in 0..20 {
            cache.current().await.expect_err("away");
        }
        assert_eq!(reads.load(Ordering::Relaxed), 1);
        tokio::time::advance(Duration::from_secs(1)).await;
        cache.current().await.expect_err("still away");
        assert_eq!(reads.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_password_is_not_shown() {
        let (_, cache) = counting();
        let shown = format!("{:?}", cache.current().await.expect("read"));
        assert!(
            !shown.contains("hunter2") && shown.contains("[secret]"),
            "{shown}"
        );
    }
}
