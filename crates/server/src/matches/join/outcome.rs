//! How does a join end, when all went well with the database?

use time::OffsetDateTime;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Has the seat: now, or before by a request with the same key.
    Joined {
        id: i64,
        user_id: i64,
        joined_at: OffsetDateTime,
    },
    Already,
    Full,
    /// Begun or canceled.
    Closed,
    NoSuchMatch,
    NoSuchUser,
}
