//! Where do calls go, and as whom?
//!
//! The settings are those every AWS tool reads: variables first, then the
//! profile of the shared files. They come in as an [`Environment`], so that a
//! region on this machine is one more set of variables, and a test another.

mod endpoint;
mod environment;
mod profile;
mod trust;

use std::path::PathBuf;
use std::sync::Arc;

pub use endpoint::{Endpoint, EndpointFault};
pub use environment::Environment;
pub use trust::TrustError;

pub(crate) use endpoint::Endpoints;
pub(crate) use profile::{Profile, Profiles};
pub(crate) use trust::Trust;

use crate::credentials::{self, CredentialsError, Provider};
use crate::transport::{Proxy, ProxyFault, Transport};

/// What a person chose on the command line; it wins over variables.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub profile: Option<String>,
    pub region: Option<String>,
}

/// Where calls go, as whom, and whom they trust.
#[derive(Debug)]
pub struct Config {
    pub(crate) region: String,
    pub(crate) endpoints: Endpoints,
    pub(crate) provider: Provider,
    pub(crate) transport: Arc<Transport>,
}

/// Why the settings do not say where and as whom.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("no AWS region is set")]
    NoRegion,
    #[error("`{name}` is not a region's name")]
    Region { name: String },
    #[error("cannot read `{path}`")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("`{path}`, line {line}: {fault}")]
    Syntax {
        path: PathBuf,
        line: usize,
        fault: &'static str,
    },
    #[error("there is no profile `{name}` in the shared configuration files")]
    NoProfile { name: String, known: Vec<String> },
    #[error("the endpoint of `{setting}` cannot be used")]
    Endpoint {
        setting: String,
        source: EndpointFault,
    },
    #[error("the proxy of `{setting}` cannot be used")]
    Proxy { setting: String, source: ProxyFault },
    #[error("`{setting}` is not supported")]
    Unsupported { setting: String },
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
}

impl ConfigError {
    /// What the person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoRegion => Some(
                "name one with --region, in AWS_REGION, or as `region` of the profile".to_owned(),
            ),
            Self::NoProfile { known, .. } if known.is_empty() => {
                Some("make one with `aws configure` or `aws configure sso`".to_owned())
            }
            Self::NoProfile { known, .. } => Some(format!("there are: {}", known.join(", "))),
            Self::Credentials(error) => error.hint(),
            _ => None,
        }
    }
}

impl Config {
    /// Settles region, endpoints, trust and the source of credentials. Nothing is
    /// asked over the network yet.
    ///
    /// # Errors
    ///
    /// Settings that are missing, contradict each other or are not supported.
    pub fn load(environment: &Environment, options: &Options) -> Result<Self, ConfigError> {
        for setting in ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"] {
            if environment.is_true(setting) {
                let setting = setting.to_owned();
                return Err(ConfigError::Unsupported { setting });
            }
        }
        let profiles = Profiles::read(environment)?;
        let profile = profiles.choose(environment, options)?;
        let region = region(environment, options, &profile)?;
        let endpoints = Endpoints::settle(environment, &profiles, &profile, &region)?;
        let trust = Trust::new(
            environment
                .get("AWS_CA_BUNDLE")
                .or_else(|| profile.get("ca_bundle"))
                .map(PathBuf::from),
        );
        let proxy = Proxy::settle(environment)?;
        let transport = Arc::new(Transport::new(trust, proxy));
        let source = credentials::plan(environment, &profiles, &profile, options)?;
        let provider = Provider::new(
            source,
            environment.clone(),
            Arc::clone(&transport),
            endpoints.clone(),
        );
        Ok(Self {
            region,
            endpoints,
            provider,
            transport,
        })
    }

    /// The region calls are signed for.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Where the calls of a service go.
    #[must_use]
    pub fn endpoint(&self, service: &str) -> Endpoint {
        self.endpoints.of(service)
    }
}

fn region(
    environment: &Environment,
    options: &Options,
    profile: &Profile,
) -> Result<String, ConfigError> {
    let chosen = options.region.as_deref();
    let name = chosen
        .or_else(|| environment.get("AWS_REGION"))
        .or_else(|| environment.get("AWS_DEFAULT_REGION"))
        .or_else(|| profile.get("region"))
        .ok_or(ConfigError::NoRegion)?;
    // it becomes part of host names
    let is_name = name.len() <= 63
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if is_name {
        Ok(name.to_owned())
    } else {
        let name = name.to_owned();
        Err(ConfigError::Region { name })
    }
}

#[cfg(test)]
mod tests;
