//! Credentials from the address a container service names in variables.

use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use serde_json::Value as Json;

use super::{Credentials, CredentialsError, Reach};
use crate::config::{Endpoint, Environment};
use crate::signed::Ask;
use crate::transport::Patience;

const NAME: &str = "the container's credentials endpoint";

/// What the endpoint wants to see. It does not print.
pub(crate) enum Token {
    Value(String),
    File(String),
}

impl Token {
    pub(super) fn of(environment: &Environment) -> Option<Self> {
        let file = environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
        let value = environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN");
        file.map(|file| Self::File(file.to_owned()))
            .or_else(|| value.map(|value| Self::Value(value.to_owned())))
    }
}

/// Whether an address is this machine's, or one of ECS's or EKS's on the link.
pub(super) fn is_near(host: &str) -> bool {
    const ON_LINK: [&str; 3] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];
    host == "localhost"
        || ON_LINK.contains(&host)
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

pub(super) async fn credentials(
    reach: &Reach,
    endpoint: &Endpoint,
    path: &str,
    token: Option<&Token>,
) -> Result<Credentials, CredentialsError> {
    let ask = Ask {
        method: Method::GET,
        path_and_query: path.to_owned(),
        content_type: None,
        target: None,
        body: Bytes::new(),
    };
    let mut request = reach.request(endpoint, &ask)?;
    let token = match token {
        None => None,
        Some(Token::Value(value)) => Some(value.clone()),
        Some(Token::File(path)) => {
            let read = std::fs::read_to_string(path);
            let text = read.map_err(|source| CredentialsError::Read {
                path: path.into(),
                source,
            })?;
            Some(text.trim().to_owned())
        }
    };
    if let Some(token) = token {
        let value = HeaderValue::from_str(&token);
        let mut value = value.map_err(|_| CredentialsError::Setting {
            setting: "AWS_CONTAINER_AUTHORIZATION_TOKEN",
            fault: "no value of a header",
        })?;
        value.set_sensitive(true);
        request.headers_mut().insert(header::AUTHORIZATION, value);
    }
    let patience = Patience::LINK_LOCAL;
    let answer = reach.ask(NAME, endpoint, request, patience).await?;
    let names = ["AccessKeyId", "SecretAccessKey", "Token", "Expiration"];
    serde_json::from_slice::<Json>(&answer)
        .ok()
        .and_then(|answer| Credentials::from_json(&answer, names))
        .ok_or(CredentialsError::Answer { source_name: NAME })
}
