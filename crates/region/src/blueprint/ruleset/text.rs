//! A ruleset in the syntax of `nft -f`.

use std::fmt::{self, Display, Formatter};
use std::ops::RangeInclusive;

use super::{
    Chain, ChainKind, ConnectionState, Content, DataType, Field, Hook, HookPoint, Match, Policy,
    Rule, Set, Statement, Table, Target, Value, Verdict,
};

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "table ip {} {{", self.name)?;
        for set in &self.sets {
            write!(f, "{set}")?;
        }
        for chain in &self.chains {
            write!(f, "{chain}")?;
        }
        writeln!(f, "}}")
    }
}

impl Display for Set {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let word = match self.content {
            Content::Verdicts(_) | Content::Values(..) => "map",
            _ => "set",
        };
        write!(
            f,
            "\t{word} {} {{\n\t\ttype {}",
            self.name,
            concatenated(&self.key)
        )?;
        match &self.content {
            Content::Verdicts(_) => write!(f, " : verdict")?,
            Content::Values(data, _) => write!(f, " : {data}")?,
            _ => {}
        }
        writeln!(f)?;
        match &self.content {
            Content::Members(keys) => elements(f, keys.iter().map(|key| concatenated(key)))?,
            Content::Ranges(ranges) => {
                writeln!(f, "\t\tflags interval")?;
                elements(f, ranges.iter().map(|(low, high)| format!("{low}-{high}")))?;
            }
            Content::Verdicts(entries) => {
                let texts = entries
                    .iter()
                    .map(|(k, v)| format!("{} : {v}", concatenated(k)));
                elements(f, texts)?;
            }
            Content::Values(_, entries) => {
                let texts = entries
                    .iter()
                    .map(|(k, v)| format!("{} : {v}", concatenated(k)));
                elements(f, texts)?;
            }
            Content::Counted { size, timeout_ms } => {
                writeln!(f, "\t\tsize {size}\n\t\tflags dynamic,timeout")?;
                writeln!(f, "\t\ttimeout {timeout_ms}ms\n\t\tcounter")?;
            }
        }
        writeln!(f, "\t}}")
    }
}

fn elements(f: &mut Formatter<'_>, texts: impl Iterator<Item = String>) -> fmt::Result {
    let texts: Vec<String> = texts.collect();
    if texts.is_empty() {
        return Ok(());
    }
    writeln!(f, "\t\telements = {{ {} }}", texts.join(",\n\t\t\t     "))
}

fn concatenated<T: Display>(parts: &[T]) -> String {
    parts
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" . ")
}

impl Display for DataType {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InterfaceName => "ifname",
            Self::Address => "ipv4_addr",
            Self::Protocol => "inet_proto",
            Self::Port => "inet_service",
            Self::IcmpType => "icmp_type",
            Self::Mark => "mark",
        })
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::InterfaceName(name) => write!(f, "\"{name}\""),
            Self::Address(address) => write!(f, "{address}"),
            Self::Protocol(number) => protocol(f, *number),
            Self::Port(port) => write!(f, "{port}"),
            Self::IcmpType(number) => write!(f, "{number}"),
            Self::Mark(mark) => write!(f, "{mark:#010x}"),
        }
    }
}

fn protocol(f: &mut Formatter<'_>, number: u8) -> fmt::Result {
    match number {
        1 => f.write_str("icmp"),
        6 => f.write_str("tcp"),
        17 => f.write_str("udp"),
        other => write!(f, "{other}"),
    }
}

impl Display for Chain {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "\tchain {} {{", self.name)?;
        if let Some(hook) = &self.hook {
            writeln!(f, "\t\t{hook}")?;
        }
        for rule in &self.rules {
            writeln!(f, "\t\t{rule}")?;
        }
        writeln!(f, "\t}}")
    }
}

impl Display for Hook {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ChainKind::Filter => "filter",
            ChainKind::Nat => "nat",
        };
        let point = match self.point {
            HookPoint::Prerouting => "prerouting",
            HookPoint::Input => "input",
            HookPoint::Forward => "forward",
            HookPoint::Output => "output",
            HookPoint::Postrouting => "postrouting",
        };
        let policy = match self.policy {
            Policy::Accept => "accept",
            Policy::Drop => "drop",
        };
        write!(
            f,
            "type {kind} hook {point} priority {}; policy {policy};",
            self.priority
        )
    }
}

impl Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, statement) in self.statements.iter().enumerate() {
            write!(f, "{}{statement}", if index == 0 { "" } else { " " })?;
        }
        if let Some(comment) = &self.comment {
            write!(f, " comment \"{}\"", comment_text(comment))?;
        }
        Ok(())
    }
}

/// The comment as listings show it: no quotes (nft has no escape for them) or
/// control characters, at most 127 bytes.
pub(crate) fn comment_text(comment: &str) -> String {
    let mut text: String = comment
        .chars()
        .map(|c| if c == '"' || c.is_control() { '\'' } else { c })
        .collect();
    while text.len() > 127 {
        text.pop();
    }
    text
}

impl Display for Statement {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(question) => matched(f, question, ""),
            Self::IsNot(question) => matched(f, question, "!= "),
            Self::In { fields, set } => write!(f, "{} @{set}", concatenated(fields)),
            Self::NotIn { fields, set } => write!(f, "{} != @{set}", concatenated(fields)),
            Self::Dispatch { fields, map } => write!(f, "{} vmap @{map}", concatenated(fields)),
            Self::Assign {
                target,
                fields,
                map,
            } => {
                write!(f, "{target} set {} map @{map}", concatenated(fields))
            }
            Self::SetMark(mark) => write!(f, "meta mark set {mark:#010x}"),
            Self::SetConnectionMark { keep, bits } => {
                write!(f, "ct mark set ct mark & {keep:#010x} | {bits:#010x}")
            }
            Self::Update { set, fields } => {
                write!(f, "update @{set} {{ {} }}", concatenated(fields))
            }
            Self::Counter => f.write_str("counter"),
            Self::Over { packets_per_second } => {
                write!(f, "limit rate over {packets_per_second}/second")
            }
            Self::Log {
                group,
                snapshot_bytes,
            } => {
                write!(f, "log group {group} snaplen {snapshot_bytes}")
            }
            Self::SourceNat {
                address,
                ports: None,
            } => write!(f, "snat to {address}"),
            Self::SourceNat {
                address,
                ports: Some(ports),
            } => {
                write!(
                    f,
                    "snat to {address}:{}-{} random",
                    ports.start(),
                    ports.end()
                )
            }
            Self::Verdict(verdict) => verdict.fmt(f),
        }
    }
}

fn matched(f: &mut Formatter<'_>, question: &Match, not: &str) -> fmt::Result {
    match question {
        Match::InInterface(name) => write!(f, "iifname {not}\"{name}\""),
        Match::OutInterface(name) => write!(f, "oifname {not}\"{name}\""),
        Match::Mark(mark) => write!(f, "meta mark {not}{mark:#010x}"),
        Match::Protocol(number) => {
            write!(f, "meta l4proto {not}")?;
            protocol(f, *number)
        }
        Match::Source(net) => write!(f, "ip saddr {not}{}", net.trunc()),
        Match::Destination(net) => write!(f, "ip daddr {not}{}", net.trunc()),
        Match::SourcePort(ports) => write!(f, "th sport {not}{}", range(ports)),
        Match::DestinationPort(ports) => write!(f, "th dport {not}{}", range(ports)),
        Match::IcmpType(number) => write!(f, "icmp type {not}{number}"),
        Match::IcmpCode(number) => write!(f, "icmp code {not}{number}"),
        Match::ConnectionPackets(packets) => write!(f, "ct original packets {not}{packets}"),
        Match::Connection(states) => {
            let names: Vec<&str> = states.iter().copied().map(state).collect();
            write!(f, "ct state {not}{}", names.join(","))
        }
    }
}

fn range(ports: &RangeInclusive<u16>) -> String {
    if ports.start() == ports.end() {
        ports.start().to_string()
    } else {
        format!("{}-{}", ports.start(), ports.end())
    }
}

fn state(state: ConnectionState) -> &'static str {
    match state {
        ConnectionState::Invalid => "invalid",
        ConnectionState::Established => "established",
        ConnectionState::Related => "related",
        ConnectionState::New => "new",
    }
}

impl Display for Field {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InInterface => "iifname",
            Self::OutInterface => "oifname",
            Self::Mark => "meta mark",
            Self::Protocol => "meta l4proto",
            Self::Source => "ip saddr",
            Self::Destination => "ip daddr",
            Self::SourcePort => "th sport",
            Self::DestinationPort => "th dport",
            Self::IcmpType => "icmp type",
        })
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mark => "meta mark",
            Self::Source => "ip saddr",
            Self::Destination => "ip daddr",
        })
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept => f.write_str("accept"),
            Self::Drop => f.write_str("drop"),
            Self::Return => f.write_str("return"),
            Self::Jump(chain) => write!(f, "jump {chain}"),
            Self::Goto(chain) => write!(f, "goto {chain}"),
        }
    }
}
