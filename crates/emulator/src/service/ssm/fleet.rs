//! Which instances have an agent that is there? What it said of itself and its control channel.

use std::collections::BTreeMap;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::token::Tokens;
use crate::clock::Timestamp;

/// An agent that reports every 30 seconds and has not for this long is lost.
const ONLINE_WITHIN_S: i64 = 75;
/// Messages that may wait for one agent's control channel.
const CONTROL_QUEUE: usize = 256;

/// All agents, by instance id.
#[derive(Default)]
pub(crate) struct Fleet {
    agents: BTreeMap<String, Agent>,
    next_socket: u64,
}

/// One instance's agent.
#[derive(Default)]
pub(crate) struct Agent {
    /// What it reported last.
    pub(crate) information: Option<Information>,
    pub(crate) tokens: Tokens,
    control: Option<Control>,
}

struct Control {
    number: u64,
    opened: Timestamp,
    messages: mpsc::Sender<Bytes>,
}

/// What an agent reports of itself (`UpdateInstanceInformation`).
#[derive(Clone, Debug)]
pub(crate) struct Information {
    pub(crate) agent_version: String,
    pub(crate) platform_type: String,
    pub(crate) platform_name: String,
    pub(crate) platform_version: String,
    pub(crate) ip_address: String,
    pub(crate) computer_name: String,
    /// When it first did.
    pub(crate) registered: Timestamp,
    /// When it last did.
    pub(crate) seen: Timestamp,
}

impl Information {
    /// `PingStatus` of the API.
    pub(crate) fn ping_status(&self, now: Timestamp) -> &'static str {
        if now <= self.seen.plus_seconds(ONLINE_WITHIN_S) {
            "Online"
        } else {
            "ConnectionLost"
        }
    }
}

impl Fleet {
    pub(crate) fn agent(&mut self, instance: &str) -> &mut Agent {
        self.agents.entry(instance.to_owned()).or_default()
    }

    pub(crate) fn information(&self, instance: &str) -> Option<&Information> {
        self.agents.get(instance)?.information.as_ref()
    }

    /// Whether sessions can be opened with the instance: its agent is registered, was heard of, and
    /// has its control channel.
    pub(crate) fn is_connected(&self, instance: &str, now: Timestamp) -> bool {
        self.agents.get(instance).is_some_and(|agent| {
            let information = agent.information.as_ref();
            let is_online = information.is_some_and(|i| i.ping_status(now) == "Online");
            is_online
                && agent
                    .control
                    .as_ref()
                    .is_some_and(|c| !c.messages.is_closed())
        })
    }

    /// A new control channel of an instance, in the place of an older one: its number, and what it
    /// is to send.
    pub(crate) fn attach(
        &mut self,
        instance: &str,
        now: Timestamp,
    ) -> (u64, mpsc::Receiver<Bytes>) {
        let (messages, waiting) = mpsc::channel(CONTROL_QUEUE);
        self.next_socket += 1;
        let number = self.next_socket;
        self.agent(instance).control = Some(Control {
            number,
            opened: now,
            messages,
        });
        (number, waiting)
    }

    /// When an instance's control channel opened, if it has one.
    pub(crate) fn control_since(&self, instance: &str) -> Option<Timestamp> {
        let control = self.agents.get(instance)?.control.as_ref()?;
        Some(control.opened)
    }

    /// The control channel `number` is gone.
    pub(crate) fn detach(&mut self, instance: &str, number: u64) {
        let agent = self.agent(instance);
        if agent.control.as_ref().is_some_and(|c| c.number == number) {
            agent.control = None;
        }
    }

    /// Sends a message over an instance's control channel; whether it could be.
    pub(crate) fn send(&self, instance: &str, message: Bytes) -> bool {
        let control = self.agents.get(instance).and_then(|a| a.control.as_ref());
        control.is_some_and(|control| control.messages.try_send(message).is_ok())
    }
}
