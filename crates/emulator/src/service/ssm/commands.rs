//! Which commands were sent to which instances, and what became of each?

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;
use tokio::sync::Notify;

use crate::clock::Timestamp;

/// Commands remembered; the oldest are forgotten.
const MOST_COMMANDS: usize = 1_000;
/// After the time a script may take, its reply has this long to arrive.
const REPLY_GRACE_S: i64 = 60;
/// Characters of each output that are kept, as the API gives at most.
const OUTPUT_CHARACTERS: usize = 24_000;

/// All of them, oldest first.
#[derive(Default)]
pub(crate) struct Commands {
    order: VecDeque<String>,
    by_id: BTreeMap<String, Command>,
}

/// Wakes the agents that wait for messages.
#[derive(Default)]
pub(crate) struct Bell(pub(crate) Notify);

/// One command, sent to some instances.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) id: String,
    pub(crate) document: String,
    pub(crate) comment: String,
    pub(crate) requested: Timestamp,
    /// A message not taken by then is not delivered any more.
    pub(crate) expires: Timestamp,
    /// As given: names to lists of strings.
    pub(crate) parameters: Value,
    pub(crate) targets: Value,
    /// What the instances are told: document and parameters, as JSON text.
    pub(crate) payload: String,
    /// What its script may take.
    pub(crate) execution_s: i64,
    pub(crate) invocations: BTreeMap<String, Invocation>,
}

/// A command on one instance.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    pub(crate) state: State,
    /// Until then a message that was handed out is not handed out again.
    hidden_until: Timestamp,
    taken: Option<Timestamp>,
    pub(crate) outcome: Outcome,
}

/// What an agent replied.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// The step that it tells of.
    pub(crate) step: String,
    pub(crate) code: Option<i64>,
    pub(crate) output: String,
    pub(crate) errors: String,
    pub(crate) started: String,
    pub(crate) ended: String,
}

/// Where an invocation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Pending,
    InProgress,
    Success,
    Failed,
    ExecutionTimedOut,
    DeliveryTimedOut,
    Cancelled,
}

impl State {
    /// `Status` of the API.
    pub(crate) fn status(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::InProgress => "InProgress",
            Self::Success => "Success",
            Self::Failed => "Failed",
            Self::ExecutionTimedOut | Self::DeliveryTimedOut => "TimedOut",
            Self::Cancelled => "Cancelled",
        }
    }

    /// `StatusDetails` of the API.
    pub(crate) fn details(self) -> &'static str {
        match self {
            Self::ExecutionTimedOut => "ExecutionTimedOut",
            Self::DeliveryTimedOut => "DeliveryTimedOut",
            other => other.status(),
        }
    }

    pub(crate) fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::InProgress)
    }
}

impl Default for Invocation {
    fn default() -> Self {
        Self {
            state: State::Pending,
            hidden_until: Timestamp(i64::MIN),
            taken: None,
            outcome: Outcome::default(),
        }
    }
}

impl Command {
    /// The state of the whole: that of the worst instance, once all are through.
    pub(crate) fn state(&self) -> State {
        let is = |state: State| self.invocations.values().any(|i| i.state == state);
        let worst = [
            State::Failed,
            State::ExecutionTimedOut,
            State::DeliveryTimedOut,
            State::Cancelled,
            State::Success,
        ];
        if self.invocations.values().all(|i| i.state.is_final()) {
            worst
                .into_iter()
                .find(|state| is(*state))
                .unwrap_or(State::Success)
        } else if self.invocations.values().all(|i| i.state == State::Pending) {
            State::Pending
        } else {
            State::InProgress
        }
    }
}

/// The message of a command to an instance.
pub(crate) fn message_id(command: &str, instance: &str) -> String {
    format!("aws.ssm.{command}.{instance}")
}

/// Command and instance of a message.
pub(crate) fn of_message(id: &str) -> Option<(&str, &str)> {
    id.strip_prefix("aws.ssm.")?.split_once('.')
}

impl Commands {
    pub(super) fn insert(&mut self, command: Command) {
        if self.order.len() >= MOST_COMMANDS
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_id.remove(&oldest);
        }
        self.order.push_back(command.id.clone());
        self.by_id.insert(command.id.clone(), command);
    }

    pub(super) fn get(&self, id: &str) -> Option<&Command> {
        self.by_id.get(id)
    }

    /// Newest first.
    pub(super) fn all(&self) -> impl Iterator<Item = &Command> {
        self.order.iter().rev().filter_map(|id| self.by_id.get(id))
    }

    /// What time has decided: messages nobody took, replies that never came.
    pub(super) fn expire(&mut self, now: Timestamp) {
        for command in self.by_id.values_mut() {
            let (expires, longest) = (command.expires, command.execution_s + REPLY_GRACE_S);
            for invocation in command.invocations.values_mut() {
                let is_late = invocation
                    .taken
                    .is_some_and(|taken| now >= taken.plus_seconds(longest));
                match invocation.state {
                    State::Pending if now >= expires => {
                        invocation.state = State::DeliveryTimedOut;
                    }
                    State::InProgress if is_late => {
                        invocation.state = State::ExecutionTimedOut;
                    }
                    _ => {}
                }
            }
        }
    }

    /// Hands out what waits for an instance, hidden from further polls for a while.
    pub(crate) fn take<'a>(
        &'a mut self,
        instance: &str,
        now: Timestamp,
        hidden_s: i64,
        most: usize,
    ) -> Vec<&'a Command> {
        self.expire(now);
        let mut taken = Vec::new();
        for id in &self.order {
            let Some(command) = self.by_id.get_mut(id) else {
                continue;
            };
            let Some(invocation) = command.invocations.get_mut(instance) else {
                continue;
            };
            let waits = invocation.state == State::Pending && now >= invocation.hidden_until;
            if waits && taken.len() < most {
                invocation.hidden_until = now.plus_seconds(hidden_s);
                taken.push(id);
            }
        }
        taken
            .into_iter()
            .filter_map(|id| self.by_id.get(id))
            .collect()
    }

    /// An invocation that is not through; a message to any other is stale.
    fn open(&mut self, message: &str) -> Option<&mut Invocation> {
        let (command, instance) = of_message(message)?;
        let command = self.by_id.get_mut(command)?;
        let invocation = command.invocations.get_mut(instance)?;
        (!invocation.state.is_final()).then_some(invocation)
    }

    /// The agent has the message and starts; whether it was still to be done.
    pub(crate) fn acknowledge(&mut self, message: &str, now: Timestamp) -> bool {
        self.expire(now);
        let Some(invocation) = self.open(message) else {
            return false;
        };
        invocation.state = State::InProgress;
        invocation.taken.get_or_insert(now);
        true
    }

    /// The agent cannot do what the message says.
    pub(crate) fn fail(&mut self, message: &str, reason: &str) {
        if let Some(invocation) = self.open(message) {
            invocation.state = State::Failed;
            invocation.outcome.errors = reason.chars().take(OUTPUT_CHARACTERS).collect();
        }
    }

    /// What the agent says of a command: `documentStatus` and each step's outcome. `None` if it is not
    /// a reply.
    pub(crate) fn reply(&mut self, message: &str, reply: &Value) -> Option<()> {
        let state = match reply.get("documentStatus")?.as_str()? {
            "Success" => State::Success,
            "TimedOut" => State::ExecutionTimedOut,
            "Cancelled" => State::Cancelled,
            "InProgress" | "Pending" => State::InProgress,
            _ => State::Failed,
        };
        let steps = reply.get("runtimeStatus").and_then(Value::as_object);
        // the last to have run says how it went
        let last = steps.and_then(|steps| {
            let ran = steps
                .iter()
                .filter(|(_, step)| step.get("status").is_some());
            ran.max_by_key(|(_, step)| text(step, "endDateTime"))
        });
        let outcome = last.map_or_else(Outcome::default, |(name, step)| Outcome {
            step: name.clone(),
            code: step.get("code").and_then(Value::as_i64),
            output: text(step, "standardOutput"),
            errors: text(step, "standardError"),
            started: text(step, "startDateTime"),
            ended: text(step, "endDateTime"),
        });
        if let Some(invocation) = self.open(message) {
            invocation.state = state;
            invocation.outcome = outcome;
        }
        Some(())
    }

    /// Takes back what no agent has taken yet.
    pub(super) fn cancel(&mut self, id: &str, is_meant: impl Fn(&str) -> bool) {
        let invocations = self
            .by_id
            .get_mut(id)
            .into_iter()
            .flat_map(|command| &mut command.invocations);
        for (instance, invocation) in invocations {
            if invocation.state == State::Pending && is_meant(instance) {
                invocation.state = State::Cancelled;
            }
        }
    }
}

fn text(step: &Value, name: &str) -> String {
    let text = step.get(name).and_then(Value::as_str).unwrap_or_default();
    text.chars().take(OUTPUT_CHARACTERS).collect()
}

#[cfg(test)]
mod tests;
