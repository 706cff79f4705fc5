//! Port sessions: connections from this instance to a port of its own, or another host's.
//!
//! Dials leave from here, so the security groups of both ends decide about them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use serde_json::Value as Json;
use session::SessionKind;
use session::wire::SessionRequest;
use session_io::{ServeConfig, Served, connect_in_turn, serve_port};
use tokio::net::lookup_host;
use tokio_util::sync::CancellationToken;

use crate::Agent;
use crate::data::DataDialer;
use crate::identity::Identity;
use crate::task::{Failure, offer};

/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 16;

pub(crate) async fn run(
    agent: &Arc<Agent>,
    request: &SessionRequest,
    stop: CancellationToken,
) -> Result<Served, Failure> {
    let properties = &request.document_content.properties;
    let addresses = destination(&agent.identity, properties)
        .await
        .map_err(Failure::Before)?;
    let addresses: Arc<[SocketAddr]> = addresses.into();
    let id = &request.session_id;
    let told = |error: &std::io::Error| {
        let shown = show(properties);
        agent
            .standing
            .log(format!("session {id}: cannot connect to {shown}: {error}"));
    };
    let connect = move || {
        let addresses = Arc::clone(&addresses);
        async move { connect_in_turn(&addresses).await }
    };
    let config = ServeConfig::new(id);
    let offer = offer(SessionKind::Port, properties);
    let dial = DataDialer::new(Arc::clone(agent), id);
    serve_port(config, offer, dial, connect, told, stop.cancelled_owned())
        .await
        .map_err(Failure::During)
}

/// Where connections go. The name is looked up once, as the official agent does.
async fn destination(identity: &Identity, properties: &Json) -> Result<Vec<SocketAddr>, String> {
    let text = |name: &str| properties[name].as_str().unwrap_or_default();
    let port = text("portNumber");
    if port.is_empty() {
        return Err("Port number is empty in session properties.".to_owned());
    }
    let port: u16 = port
        .parse()
        .map_err(|_| format!("Port number `{port}` is not one."))?;
    let host = text("host");
    if host.is_empty() || host.eq_ignore_ascii_case("localhost") {
        return Ok(vec![
            (IpAddr::V4(Ipv4Addr::LOCALHOST), port).into(),
            (IpAddr::V6(Ipv6Addr::LOCALHOST), port).into(),
        ]);
    }
    let found = lookup_host((host, port)).await;
    let found = found.map_err(|error| format!("Unable to resolve host {host}: {error}"))?;
    let addresses: Vec<SocketAddr> = found.take(MAX_ADDRESSES).collect();
    if addresses
        .iter()
        .any(|address| identity.is_forbidden(address.ip()))
    {
        return Err(format!("Forwarding to IP address {host} is forbidden."));
    }
    if addresses.is_empty() {
        return Err(format!("Unable to resolve host {host}: it has no address"));
    }
    Ok(addresses)
}

fn show(properties: &Json) -> String {
    let text = |name: &str| properties[name].as_str().unwrap_or_default();
    match text("host") {
        "" => format!("port {}", text("portNumber")),
        host => format!("{host}:{}", text("portNumber")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    async fn check(properties: Json) -> Result<Vec<String>, String> {
        let identity = Identity {
            instance_id: "i-1".to_owned(),
            region: "ap-northeast-2".to_owned(),
            local_ipv4: "10.0.10.5".to_owned(),
            local_hostname: "ip".to_owned(),
            vpc_cidrs: vec![(Ipv4Addr::new(10, 0, 0, 0), 16)],
        };
        let addresses = destination(&identity, &properties).await?;
        Ok(addresses.iter().map(SocketAddr::to_string).collect())
    }

    #[tokio::test]
    async fn destinations() {
        let here = ["127.0.0.1:8080".to_owned(), "[::1]:8080".to_owned()];
        assert_eq!(check(json!({"portNumber": "8080"})).await.unwrap(), here);
        let there = json!({"portNumber": "5432", "host": "10.0.20.9"});
        assert_eq!(check(there).await.unwrap(), ["10.0.20.9:5432"]);
        for (properties, reason) in [
            (json!({}), "Port number is empty in session properties."),
            (json!({"portNumber": "0x"}), "Port number `0x` is not one."),
            (
                json!({"portNumber": "80", "host": "169.254.169.254"}),
                "Forwarding to IP address 169.254.169.254 is forbidden.",
            ),
            (
                json!({"portNumber": "53", "host": "10.0.0.2"}),
                "Forwarding to IP address 10.0.0.2 is forbidden.",
            ),
        ] {
            assert_eq!(check(properties).await.unwrap_err(), reason);
        }
    }
}
