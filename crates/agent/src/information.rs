//! Systems Manager hears from the instance again and again.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::failure::plain;
use crate::report::Part;
use crate::{AGENT_VERSION, Agent};

/// Between two reports that arrived.
const INTERVAL: Duration = Duration::from_secs(30);
/// After one that did not.
const RETRY: Duration = Duration::from_secs(5);

/// Reports until `stop`.
pub(crate) async fn keep(agent: Arc<Agent>, stop: CancellationToken) {
    loop {
        let outcome = tokio::select! {
            () = stop.cancelled() => return,
            outcome = update(&agent) => outcome,
        };
        let pause = if outcome.is_ok() { INTERVAL } else { RETRY };
        agent.standing.set(Part::Registration, outcome);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn update(agent: &Agent) -> Result<(), String> {
    let identity = &agent.identity;
    let information = json!({
        "InstanceId": identity.instance_id,
        "AgentName": "amazon-ssm-agent",
        "AgentStatus": "Active",
        "AgentVersion": AGENT_VERSION,
        "ComputerName": identity.local_hostname,
        "IPAddress": identity.local_ipv4,
        "PlatformName": os_release("NAME"),
        "PlatformType": "Linux",
        "PlatformVersion": os_release("VERSION_ID"),
    });
    let target = "AmazonSSM.UpdateInstanceInformation";
    let updated = agent.client.json("ssm", target, &information).await;
    updated
        .map(drop)
        .map_err(|error| plain(agent, "ssm", &error))
}

/// A value of the system's description of itself; empty when there is none.
/// (os-release(5))
fn os_release(name: &str) -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_default().trim_matches('"').to_owned()
}
