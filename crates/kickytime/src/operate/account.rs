//! In whose account does the command work? In that of the region that runs
//! here, or in AWS; never in one when the other was meant.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aws::{Client, Config, Environment, Options};
use region::control::{self, ControlError, Request};
use serde_json::Value as Json;

use super::OperateError;
use crate::cli::operate::AccountArguments;

/// The stack's name where none is given and no region says.
const STACK: &str = "kickytime";

/// An account, and a stack in it.
pub(crate) struct Account {
    pub(crate) client: Client,
    pub(crate) stack: String,
    /// The authorities of the region that runs here; AWS has its own.
    pub(crate) region_authorities: Option<PathBuf>,
    outputs: Option<BTreeMap<String, String>>,
}

impl Account {
    /// The account the arguments name, and the stack in it.
    pub(crate) fn settle(
        arguments: &AccountArguments,
        stack: Option<&str>,
    ) -> Result<Self, OperateError> {
        let mut account = if arguments.aws {
            in_aws(arguments)?
        } else {
            in_region(arguments)?
        };
        if let Some(stack) = stack {
            stack.clone_into(&mut account.stack);
        }
        Ok(account)
    }

    /// Says which account this is, where that is a question of AWS's.
    pub(crate) async fn introduce(&self) -> Result<Option<String>, OperateError> {
        if self.region_authorities.is_some() {
            return Ok(None);
        }
        let identity = aws::sts::get_caller_identity(&self.client).await?;
        let region = self.client.region();
        let (account, arn) = (identity.account, identity.arn);
        Ok(Some(format!("AWS account {account}, {region}, as {arn}")))
    }

    /// An output of the stack. The stack is asked once.
    pub(crate) async fn output(&mut self, key: &str) -> Result<Option<String>, OperateError> {
        if self.outputs.is_none() {
            let asked = aws::cloudformation::describe_stack_outputs(&self.client, &self.stack);
            let outputs = asked.await.map_err(|error| match error.code() {
                Some("ValidationError") => OperateError::NoStack {
                    name: self.stack.clone(),
                    region: self.client.region().to_owned(),
                },
                _ => error.into(),
            })?;
            self.outputs = Some(outputs);
        }
        let outputs = self.outputs.as_ref();
        Ok(outputs.and_then(|outputs| outputs.get(key)).cloned())
    }

    /// An output without which the command cannot go on.
    pub(crate) async fn required(
        &mut self,
        key: &'static str,
        option: &'static str,
    ) -> Result<String, OperateError> {
        let found = self.output(key).await?;
        found.ok_or_else(|| OperateError::NoOutput {
            stack: self.stack.clone(),
            key,
            option,
        })
    }
}

fn in_aws(arguments: &AccountArguments) -> Result<Account, OperateError> {
    let options = Options {
        profile: arguments.profile.clone(),
        region: arguments.region.clone(),
    };
    let config = Config::load(&Environment::of_process(), &options)?;
    // `eval "$(kickytime env)"` leaves such an endpoint in the shell
    let endpoint = config.endpoint("ssm");
    let is_here = endpoint.host == "localhost"
        || endpoint.host.ends_with(".localhost")
        || endpoint
            .host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    if is_here {
        let origin = endpoint.origin();
        return Err(OperateError::NotAws { origin });
    }
    Ok(Account {
        client: Client::new(config),
        stack: STACK.to_owned(),
        region_authorities: None,
        outputs: None,
    })
}

fn in_region(arguments: &AccountArguments) -> Result<Account, OperateError> {
    let directory = &arguments.state.directory;
    let ask = |request| match control::ask(directory, request) {
        Err(ControlError::NotRunning(directory)) => Err(OperateError::NoRegion { directory }),
        other => Ok(other?),
    };
    let visit = ask(Request::Visit)?;
    let status = ask(Request::Status)?;
    let stack = status["stack"].as_str().unwrap_or(STACK).to_owned();
    // these variables and no other: neither profiles nor keys of the shell
    let environment: Environment = visit["environment"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect();
    let authorities = visit["place"]["caBundle"].as_str().map(PathBuf::from);
    let config = Config::load(&environment, &Options::default())?;
    Ok(Account {
        client: Client::new(config),
        stack,
        region_authorities: Some(authorities.ok_or_else(|| unintelligible(&visit))?),
        outputs: None,
    })
}

fn unintelligible(answer: &Json) -> ControlError {
    let keys = answer.as_object().into_iter().flatten();
    let keys: Vec<&str> = keys.map(|(key, _)| key.as_str()).collect();
    ControlError::Answer(format!("it has {} only", keys.join(", ")))
}
