//! `kickytime logs`: what a log group holds, and what is added to it.

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use aws::logs::{Follow, LogQuery, describe_log_groups};

use crate::cli::operate::Logs;
use crate::error::CommandError;
use crate::operate::stop::{self, Stop};
use crate::operate::{Account, OperateError};
use crate::render::{self, logs as lines};

pub(crate) fn run(arguments: &Logs) -> Result<ExitCode, CommandError> {
    let account = Account::settle(&arguments.account, None)?;
    stop::run(async {
        let mut stop = Stop::listen()?;
        tokio::select! {
            outcome = work(arguments, &account) => outcome,
            () = stop.any() => Ok(()),
        }
    })
    .map_err(OperateError::Runtime)??;
    Ok(ExitCode::SUCCESS)
}

async fn work(arguments: &Logs, account: &Account) -> Result<(), CommandError> {
    let client = &account.client;
    let failed = |error: aws::CallError| OperateError::from(error);
    let Some(named) = &arguments.group else {
        let groups = describe_log_groups(client).await.map_err(failed)?;
        return render::data(&lines::groups(&groups, arguments.format));
    };
    let query = LogQuery {
        group: group(account, named).await?,
        pattern: arguments.filter.clone(),
        since_ms: now_ms() - i64::from(arguments.since.seconds) * 1000,
    };
    let mut follow = Follow::new(client.clone(), query);
    while arguments.follow || !follow.is_at_end() {
        let events = follow.next().await.map_err(failed)?;
        for event in &events {
            if !render::line(&lines::event(event, arguments.format))? {
                // who reads has had enough
                return Ok(());
            }
        }
    }
    Ok(())
}

/// A group by its whole name, or by the part after its last `/` when only one has it.
async fn group(account: &Account, named: &str) -> Result<String, OperateError> {
    if named.contains('/') {
        return Ok(named.to_owned());
    }
    let groups = describe_log_groups(&account.client).await?;
    let is_meant = |group: &&String| {
        let last = group.rsplit('/').next();
        group.as_str() == named || last == Some(named)
    };
    let mut meant = groups.iter().filter(is_meant);
    match (meant.next(), meant.next()) {
        (Some(one), None) => Ok(one.clone()),
        _ => Err(OperateError::NoGroup {
            name: named.to_owned(),
            known: groups,
        }),
    }
}

fn now_ms() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    since_1970.map_or(0, |elapsed| {
        i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
    })
}
