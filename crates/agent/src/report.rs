//! What becomes of the agent, for whoever watches it.

use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Something to know about the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// Sessions can be opened.
    Connected,
    /// None can, and why.
    NotConnected {
        /// In words for people.
        reason: String,
    },
    /// What happened in a session or to a command.
    Log(String),
}

/// One line; the first word tells the kinds apart.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected => f.write_str("connected"),
            Self::NotConnected { reason } => write!(f, "not connected: {}", in_one_line(reason)),
            Self::Log(text) => write!(f, "log: {}", in_one_line(text)),
        }
    }
}

fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What has to stand for the agent to count as connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Systems Manager has heard of the instance.
    Registration,
    /// The control channel is open.
    ControlChannel,
}

/// How the agent stands, told when it changes.
pub(crate) struct Standing {
    tell: Box<dyn Fn(Report) + Send + Sync>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    registration: Option<Result<(), String>>,
    control_channel: Option<Result<(), String>>,
    told: Option<Report>,
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Standing")
    }
}

impl Standing {
    pub(crate) fn new(tell: impl Fn(Report) + Send + Sync + 'static) -> Self {
        Self {
            tell: Box::new(tell),
            state: Mutex::default(),
        }
    }

    /// From now on, this part stands, or does not, for a reason.
    pub(crate) fn set(&self, part: Part, outcome: Result<(), String>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match part {
            Part::Registration => state.registration = Some(outcome),
            Part::ControlChannel => state.control_channel = Some(outcome),
        }
        let report = match (&state.registration, &state.control_channel) {
            (Some(Err(reason)), _) | (_, Some(Err(reason))) => Report::NotConnected {
                reason: reason.clone(),
            },
            (Some(Ok(())), Some(Ok(()))) => Report::Connected,
            // the other part has not said anything yet
            _ => return,
        };
        if state.told.as_ref() != Some(&report) {
            state.told = Some(report.clone());
            (self.tell)(report);
        }
    }

    /// Something for the log.
    pub(crate) fn log(&self, text: impl Into<String>) {
        (self.tell)(Report::Log(text.into()));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn both_parts_have_to_stand_and_changes_are_told_once() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&told);
        let standing = Standing::new(move |report| sink.lock().unwrap().push(report.to_string()));
        let no = |text: &str| Err(text.to_owned());
        standing.set(Part::Registration, Ok(()));
        standing.set(Part::ControlChannel, no("cannot reach\nit"));
        standing.set(Part::ControlChannel, no("cannot reach\nit"));
        standing.set(Part::ControlChannel, Ok(()));
        standing.set(Part::Registration, Ok(()));
        standing.set(Part::Registration, no("denied"));
        assert_eq!(
            *told.lock().unwrap(),
            [
                "not connected: cannot reach it",
                "connected",
                "not connected: denied"
            ]
        );
    }
}
