//! One line of a flow log, as data and as text.

use std::fmt::{self, Display, Formatter};

use super::{Amount, Flow};

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowRecord {
    pub account_id: String,
    pub interface_id: String,
    pub start_unix_s: u64,
    pub end_unix_s: u64,
    pub content: RecordContent,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordContent {
    /// `OK`.
    Flow {
        flow: Flow,
        amount: Amount,
        action: Action,
        reason: String,
    },
    /// `SKIPDATA`: some records of the window are missing.
    Skipped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    Accept,
    Reject,
}

impl FlowRecord {
    /// The line, and after it the reason: which rule admitted, or what refused.
    #[must_use]
    pub fn with_reason(&self) -> String {
        match &self.content {
            RecordContent::Flow { reason, .. } if !reason.is_empty() => format!("{self} {reason}"),
            _ => self.to_string(),
        }
    }
}

/// `version account-id interface-id srcaddr dstaddr srcport dstport protocol
/// packets bytes start end action log-status`
impl Display for FlowRecord {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            account_id,
            interface_id,
            start_unix_s,
            end_unix_s,
            content,
        } = self;
        write!(f, "2 {account_id} {interface_id} ")?;
        match content {
            RecordContent::Flow {
                flow,
                amount,
                action,
                ..
            } => {
                let Flow {
                    source,
                    destination,
                    protocol,
                    source_port,
                    destination_port,
                } = flow;
                let Amount { packets, bytes } = amount;
                write!(
                    f,
                    "{source} {destination} {source_port} {destination_port} {protocol} "
                )?;
                write!(
                    f,
                    "{packets} {bytes} {start_unix_s} {end_unix_s} {action} OK"
                )
            }
            RecordContent::Skipped => {
                write!(f, "- - - - - - - {start_unix_s} {end_unix_s} - SKIPDATA")
            }
        }
    }
}

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accept => "ACCEPT",
            Self::Reject => "REJECT",
        })
    }
}
