//! `Fn::Cidr`: equal blocks cut from an address range.
//!
//! The third argument counts the host bits of a block: 8 of an IPv4 range
//! gives /24. When the range is an attribute of a VPC or subnet of the same
//! template it is looked up there.

use std::net::IpAddr;

use crate::diagnostic::Diagnostic;
use crate::evaluate::evaluate_node;
use crate::node::Node;
use crate::scope::Scope;
use crate::symbol::Symbol;
use crate::value::{Kind, Span, Value};

/// Most blocks one call gives.
const MAX_BLOCKS: u32 = 256;

pub(super) fn evaluate(scope: &mut Scope<'_>, argument: &Node, span: Span) -> Value {
    let values: Vec<Value> = argument
        .as_list()
        .unwrap_or_default()
        .iter()
        .take(3)
        .filter_map(|item| evaluate_node(scope, item))
        .collect();
    let opaque: Vec<&Value> = values.iter().collect();
    let Some(range) = values.first().and_then(|range| range_text(scope, range)) else {
        return scope.opaque("Fn::Cidr", &opaque, span);
    };
    let numbers: Vec<&str> = values[1..].iter().filter_map(Value::as_text).collect();
    if numbers.len() + 1 != values.len() || numbers.is_empty() {
        return scope.opaque("Fn::Cidr", &opaque, span);
    }
    match blocks(&range, numbers[0], numbers.get(1).copied()) {
        Ok(blocks) => {
            let items = blocks
                .into_iter()
                .enumerate()
                .map(|(index, block)| {
                    scope.at_index(index, |scope| scope.value(Kind::String(block), span))
                })
                .collect();
            scope.value(Kind::List(items), span)
        }
        Err(message) => {
            scope.report(Diagnostic::error("cidr", span, message));
            scope.opaque("Fn::Cidr", &opaque, span)
        }
    }
}

/// The range as text, looked up in the template when it is an attribute.
fn range_text(scope: &mut Scope<'_>, range: &Value) -> Option<String> {
    let Some(Symbol::GetAtt(id, attribute)) = range.as_symbol() else {
        return range.as_text().map(str::to_owned);
    };
    let resource = scope.template.resources.get(id)?;
    let resource_type = resource.get("Type").and_then(Node::as_text)?;
    let has_range = matches!(resource_type, "AWS::EC2::VPC" | "AWS::EC2::Subnet");
    if !has_range || attribute != "CidrBlock" {
        return None;
    }
    let written = resource.get("Properties")?.get("CidrBlock")?;
    scope
        .aside(id, |scope| evaluate_node(scope, written))??
        .as_text()
        .map(str::to_owned)
}

fn blocks(range: &str, count: &str, host_bits: Option<&str>) -> Result<Vec<String>, String> {
    let (address, prefix) = parse(range).ok_or_else(|| format!("`{range}` is no address range"))?;
    let width: u32 = if address.is_ipv4() { 32 } else { 128 };
    let count: u32 = count
        .trim()
        .parse()
        .ok()
        .filter(|count| (1..=MAX_BLOCKS).contains(count))
        .ok_or_else(|| format!("`Fn::Cidr` gives 1 to {MAX_BLOCKS} blocks, not `{count}`"))?;
    let bits: u32 = match host_bits {
        // CloudFormation's own default is a /24, or a /64 of IPv6
        None => width / 2 / if width == 32 { 2 } else { 1 },
        Some(text) => text
            .trim()
            .parse()
            .ok()
            .filter(|bits| (1..width).contains(bits))
            .ok_or_else(|| format!("`{text}` is no number of host bits"))?,
    };
    let length = width - bits;
    let room = length
        .checked_sub(prefix)
        .filter(|bits| *bits >= 32 || count <= 1 << bits);
    if room.is_none() {
        return Err(format!(
            "`{range}` has no room for {count} blocks of /{length}"
        ));
    }
    let first = match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    };
    let host_mask = u128::MAX.checked_shr(128 - (width - prefix)).unwrap_or(0);
    let first = first & !host_mask;
    Ok((0..u128::from(count))
        .map(|index| format!("{}/{length}", address_of(first + (index << bits), width)))
        .collect())
}

fn parse(range: &str) -> Option<(IpAddr, u32)> {
    let (address, prefix) = range.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.parse().ok().filter(|prefix| *prefix <= width)?;
    Some((address, prefix))
}

fn address_of(bits: u128, width: u32) -> IpAddr {
    match u32::try_from(bits) {
        Ok(bits) if width == 32 => IpAddr::V4(bits.into()),
        _ => IpAddr::V6(bits.into()),
    }
}
