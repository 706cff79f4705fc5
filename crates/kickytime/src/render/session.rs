//! What people are told of their sessions while they run.

use session_io::{ForwardEvent, TerminalEvent};

/// A forward's event in a line, if it is worth one.
pub(crate) fn forward_event(event: &ForwardEvent, target: &str) -> Option<String> {
    Some(match event {
        ForwardEvent::Opened {
            session_id,
            customer_message,
            ..
        } => opened(session_id, target, customer_message),
        ForwardEvent::Accepted { .. } => return None,
        ForwardEvent::DestinationRefused => format!(
            "{target} could not connect to the destination: does it listen, and do its and the \
             instance's security groups allow it? (`kickytime reach` tells)"
        ),
        ForwardEvent::Reconnecting { session_id, lost } => {
            format!("{session_id}: {lost}, connecting again")
        }
        ForwardEvent::Resumed { session_id } => format!("{session_id}: connected again"),
        ForwardEvent::Replacing { session_id, reason } => {
            format!("{session_id}: {reason}; opening another session")
        }
        ForwardEvent::StartFailed { error } => format!("no session yet: {error}"),
        ForwardEvent::AgentSilent => format!("{target} has fallen silent"),
        ForwardEvent::Closed { session_id, output } => {
            let said = said(output);
            format!("{session_id} was closed{said}; the next connection opens another")
        }
    })
}

/// A shell's event in a line.
pub(crate) fn terminal_event(event: &TerminalEvent, target: &str) -> String {
    match event {
        TerminalEvent::Opened {
            session_id,
            customer_message,
        } => opened(session_id, target, customer_message),
        TerminalEvent::Reconnecting { lost } => format!("{lost}, connecting again"),
        TerminalEvent::Resumed => "connected again".to_owned(),
        TerminalEvent::AgentSilent => format!("{target} has fallen silent"),
    }
}

fn opened(session_id: &str, target: &str, message: &str) -> String {
    let mut text = format!("Session {session_id} to {target}");
    if !message.is_empty() {
        text += &format!("\n{message}");
    }
    text
}

/// The service's word, if it has one.
pub(crate) fn said(output: &str) -> String {
    match output.trim() {
        "" => String::new(),
        output => format!(": {output}"),
    }
}
