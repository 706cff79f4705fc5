//! Arguments of the commands that work with what runs: in the running region,
//! or in AWS.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use super::{Format, State};

/// In whose account: the running region's unless AWS is asked for.
#[derive(Args, Debug)]
pub(crate) struct AccountArguments {
    #[command(flatten)]
    pub(crate) state: State,
    /// Work in AWS, not in the region that runs on this machine.
    #[arg(long, conflicts_with = "directory")]
    pub(crate) aws: bool,
    /// The profile of the shared AWS configuration files.
    #[arg(long, requires = "aws", value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// The AWS region.
    #[arg(long, requires = "aws", value_name = "REGION")]
    pub(crate) region: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Db {
    #[command(flatten)]
    pub(crate) account: AccountArguments,
    /// The stack's name [default: the running region's, and `kickytime` in AWS].
    #[arg(long, value_name = "NAME")]
    pub(crate) stack_name: Option<String>,
    /// Print a URL with the password instead of starting psql, and keep the way open.
    #[arg(long, conflicts_with = "listen")]
    pub(crate) print: bool,
    /// Only keep the way open, and read no secret.
    #[arg(long)]
    pub(crate) listen: bool,
    /// The port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 55432, value_name = "PORT")]
    pub(crate) port: u16,
    /// The instance to go through: its id, logical id or name [default: one of the stack's].
    #[arg(long)]
    pub(crate) target: Option<String>,
    /// The database's host name and port [default: the stack's DatabaseEndpoint and DatabasePort].
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) host: Option<String>,
    /// The secret with its credentials [default: the stack's DatabaseSecretArn].
    #[arg(long, value_name = "SECRET")]
    pub(crate) secret: Option<String>,
    /// The database's name [default: the secret's].
    #[arg(long, value_name = "NAME")]
    pub(crate) database: Option<String>,
    /// The authorities the database's certificate is verified by [default: RDS's, or the region's].
    #[arg(long, value_name = "FILE")]
    pub(crate) root_certificates: Option<PathBuf>,
    /// Arguments of psql.
    #[arg(last = true, value_name = "PSQL ARGUMENT")]
    pub(crate) psql: Vec<OsString>,
}

#[derive(Args, Debug)]
pub(crate) struct Session {
    /// The instance: its id, its group's logical id with or without `/NUMBER`, or its
    /// Name tag [default: the first connected one of the stack].
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) account: AccountArguments,
    /// The stack's name [default: the running region's, and `kickytime` in AWS].
    #[arg(long, value_name = "NAME")]
    pub(crate) stack_name: Option<String>,
    /// Forward a port of this machine through the instance; may be repeated. No shell is opened.
    #[arg(short = 'L', value_name = "[BIND:]PORT:HOST:PORT")]
    pub(crate) forwards: Vec<ForwardArgument>,
    /// Open a shell beside the forwarded ports.
    #[arg(long, requires = "forwards")]
    pub(crate) shell: bool,
    /// The session document of the shell [default: the stack's SessionDocumentName].
    #[arg(long, value_name = "NAME")]
    pub(crate) document: Option<String>,
    /// Why, for the session's history.
    #[arg(long)]
    pub(crate) reason: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Logs {
    /// The log group, whole or from its last `/` on; without it, all groups are listed.
    pub(crate) group: Option<String>,
    #[command(flatten)]
    pub(crate) account: AccountArguments,
    /// Go on with what is added, until Ctrl-C.
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// How far to look back: `30s`, `10m`, `2h`, `7d`.
    #[arg(long, default_value = "10m", value_name = "AGE")]
    pub(crate) since: Age,
    /// CloudWatch's filter pattern.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) filter: Option<String>,
    /// The output's form: lines, or a JSON object a line.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
}

/// A port here and where it leads, as ssh writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ForwardArgument {
    pub(crate) bind: IpAddr,
    pub(crate) port: u16,
    pub(crate) host: String,
    pub(crate) host_port: u16,
}

impl FromStr for ForwardArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || format!("`{text}` is not of the form [BIND:]PORT:HOST:PORT");
        let parts = split(text).ok_or_else(form)?;
        let (bind, port, host, host_port) = match parts.as_slice() {
            [port, host, host_port] => (None, port, host, host_port),
            [bind, port, host, host_port] => (Some(bind), port, host, host_port),
            _ => return Err(form()),
        };
        let bind = match bind.map(String::as_str) {
            None | Some("localhost") => Ipv4Addr::LOCALHOST.into(),
            Some("*") => Ipv4Addr::UNSPECIFIED.into(),
            Some(address) => address.parse().map_err(|_| form())?,
        };
        let number = |text: &str| text.parse::<u16>().map_err(|_| form());
        let host_port = number(host_port)?;
        if host.is_empty() || host_port == 0 {
            return Err(form());
        }
        Ok(Self {
            bind,
            port: number(port)?,
            host: host.clone(),
            host_port,
        })
    }
}

/// At colons, but for those of an IPv6 address in brackets.
fn split(text: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (part, after) = match rest.strip_prefix('[') {
            Some(inner) => {
                let (part, after) = inner.split_once(']')?;
                (
                    part,
                    after.strip_prefix(':').or(after.is_empty().then_some("")),
                )
            }
            None => match rest.split_once(':') {
                Some((part, after)) => (part, Some(after)),
                None => (rest, None),
            },
        };
        parts.push(part.to_owned());
        match after {
            Some(after) if !after.is_empty() => rest = after,
            _ => return Some(parts),
        }
    }
}

/// How long ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Age {
    pub(crate) seconds: u32,
}

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || format!("`{text}` is no age: a number with s, m, h or d");
        let unit = text.chars().last().ok_or_else(form)?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return Err(form()),
        };
        let number: u32 = text[..text.len() - 1].parse().map_err(|_| form())?;
        let seconds = number.checked_mul(seconds).ok_or_else(form)?;
        Ok(Self { seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwards_are_read_as_ssh_reads_them() {
        let read = |text: &str| text.parse::<ForwardArgument>();
        let plain = read("55432:db.example:5432").unwrap();
        assert_eq!(plain.bind, Ipv4Addr::LOCALHOST);
        assert_eq!(
            (plain.port, plain.host.as_str(), plain.host_port),
            (55432, "db.example", 5432)
        );
        assert_eq!(read("*:1:h:2").unwrap().bind, Ipv4Addr::UNSPECIFIED);
        let six = read("[::1]:1:[fd00::2]:2").unwrap();
        assert_eq!(six.bind, "::1".parse::<IpAddr>().unwrap());
        assert_eq!(six.host, "fd00::2");
        for wrong in [
            "",
            "1:2",
            "1:h:0",
            "1::2",
            "x:h:2",
            "1:h:70000",
            "a:b:c:d:e",
            "[1:h:2",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ages_have_a_unit() {
        let read = |text: &str| text.parse::<Age>().map(|age| age.seconds);
        assert_eq!(read("10m"), Ok(600));
        assert_eq!(read("2d"), Ok(172_800));
        for wrong in ["", "10", "m", "-1s", "99999999d", "1분"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
