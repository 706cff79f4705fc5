//! Why a service does not hear the agent, in plain words.

use std::error::Error;

use aws::CallError;

use crate::{Agent, chain};

/// As in "cannot reach ssm.ap-northeast-2.amazonaws.com: …".
pub(crate) fn plain(agent: &Agent, service: &str, error: &CallError) -> String {
    match error {
        CallError::Transport { source, .. } => unreachable(agent, service, source),
        CallError::Credentials(_) => {
            format!(
                "no credentials; does the instance have a profile? {}",
                chain(error)
            )
        }
        _ => chain(error),
    }
}

/// There is no way to the service at the moment.
pub(crate) fn unreachable(agent: &Agent, service: &str, error: &dyn Error) -> String {
    let host = agent.client.endpoint(service).host;
    format!("cannot reach {host}: {}", chain(error))
}
