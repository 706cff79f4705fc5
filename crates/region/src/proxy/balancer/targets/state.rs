//! How a target stands, and how a check changes that.

/// Why a target is not healthy, in the words of `DescribeTargetHealth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Registered, not checked yet.
    InitialHealthChecking,
    /// No answer in time.
    Timeout,
    /// Answered with a status code that does not count.
    ResponseCodeMismatch,
    /// No connection, or no HTTP on it.
    FailedHealthChecks,
    /// On its way out.
    DeregistrationInProgress,
}

impl Reason {
    /// The reason code of `DescribeTargetHealth`.
    pub fn code(self) -> &'static str {
        match self {
            Self::InitialHealthChecking => "Elb.InitialHealthChecking",
            Self::Timeout => "Target.Timeout",
            Self::ResponseCodeMismatch => "Target.ResponseCodeMismatch",
            Self::FailedHealthChecks => "Target.FailedHealthChecks",
            Self::DeregistrationInProgress => "Target.DeregistrationInProgress",
        }
    }
}

/// How a target stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Waiting for its first checks.
    Initial,
    /// Takes requests.
    Healthy,
    /// Takes requests only when nobody is healthy.
    Unhealthy(Reason),
    /// Takes no new requests.
    Draining,
}

impl Health {
    /// The state of `DescribeTargetHealth`.
    pub fn state(self) -> &'static str {
        match self {
            Self::Initial => "initial",
            Self::Healthy => "healthy",
            Self::Unhealthy(_) => "unhealthy",
            Self::Draining => "draining",
        }
    }

    /// Why, unless healthy.
    pub fn reason(self) -> Option<Reason> {
        match self {
            Self::Healthy => None,
            Self::Initial => Some(Reason::InitialHealthChecking),
            Self::Unhealthy(reason) => Some(reason),
            Self::Draining => Some(Reason::DeregistrationInProgress),
        }
    }
}

/// One node's knowledge of one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) health: Health,
    in_a_row: u32,
}

impl Checked {
    pub(super) const NEVER: Self = Self {
        health: Health::Initial,
        in_a_row: 0,
    };

    /// The state after one more check. A new target needs one success only; a
    /// change otherwise needs as many in a row as its threshold says.
    pub(super) fn after(
        self,
        outcome: Result<(), Reason>,
        (healthy, unhealthy): (u32, u32),
    ) -> Self {
        match (self.health, outcome) {
            (Health::Initial, Ok(())) => Self {
                health: Health::Healthy,
                in_a_row: 0,
            },
            (Health::Healthy, Ok(())) => Self {
                in_a_row: 0,
                ..self
            },
            (_, Ok(())) if self.in_a_row + 1 >= healthy => Self {
                health: Health::Healthy,
                in_a_row: 0,
            },
            (_, Ok(())) => Self {
                in_a_row: self.in_a_row + 1,
                ..self
            },
            (Health::Unhealthy(_), Err(reason)) => Self {
                health: Health::Unhealthy(reason),
                in_a_row: 0,
            },
            (_, Err(reason)) if self.in_a_row + 1 >= unhealthy => Self {
                health: Health::Unhealthy(reason),
                in_a_row: 0,
            },
            (_, Err(_)) => Self {
                in_a_row: self.in_a_row + 1,
                ..self
            },
        }
    }
}
