//! Reads the values of conditions: what the policy expects, and what a request carries.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;
use time::{Date, Month, OffsetDateTime, Time, format_description::well_known::Rfc3339};

use super::{Expected, Operator};
use crate::pattern::Pattern;

/// Compiles the values an operator is given.
///
/// # Errors
/// The first value that is not of the operator's kind, with the kind's name.
pub(crate) fn parse_values(
    operator: Operator,
    values: &[String],
    variables: bool,
) -> Result<Expected, (&str, &'static str)> {
    use Operator as O;
    fn each<'v, T>(
        values: &'v [String],
        kind: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, (&'v str, &'static str)> {
        values
            .iter()
            .map(|value| parse(value).ok_or((value.as_str(), kind)))
            .collect()
    }
    let patterns = |compile: fn(&str, bool) -> Pattern| -> Vec<Pattern> {
        values
            .iter()
            .map(|value| compile(value, variables))
            .collect()
    };
    Ok(match operator {
        O::StringEquals | O::StringNotEquals => Expected::Text(patterns(Pattern::literal)),
        O::StringEqualsIgnoreCase | O::StringNotEqualsIgnoreCase => {
            Expected::FoldedText(patterns(Pattern::folded_literal))
        }
        O::StringLike | O::StringNotLike => Expected::Text(patterns(Pattern::new)),
        O::ArnEquals | O::ArnNotEquals | O::ArnLike | O::ArnNotLike => {
            Expected::Arn(patterns(Pattern::new))
        }
        O::NumericEquals
        | O::NumericNotEquals
        | O::NumericLessThan
        | O::NumericLessThanEquals
        | O::NumericGreaterThan
        | O::NumericGreaterThanEquals => Expected::Numbers(each(values, "a number", number)?),
        O::DateEquals
        | O::DateNotEquals
        | O::DateLessThan
        | O::DateLessThanEquals
        | O::DateGreaterThan
        | O::DateGreaterThanEquals => Expected::Dates(each(values, "an ISO 8601 date", date)?),
        O::Bool | O::Null => Expected::Bools(each(values, "`true` or `false`", boolean)?),
        O::BinaryEquals => Expected::Binaries(each(values, "base64", binary)?),
        O::IpAddress | O::NotIpAddress => {
            Expected::Networks(each(values, "an IP address or CIDR block", network)?)
        }
    })
}

/// A decimal number; no exponents of infinity, no hexadecimal.
pub(super) fn number(text: &str) -> Option<f64> {
    text.trim()
        .parse::<f64>()
        .ok()
        .filter(|number| number.is_finite())
}

pub(super) fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

pub(super) fn binary(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// An address is a network of one.
pub(super) fn network(text: &str) -> Option<IpNet> {
    text.parse()
        .ok()
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// The W3C profile of ISO 8601 (a year, a month, a day or a moment), or epoch seconds.
pub(super) fn date(text: &str) -> Option<OffsetDateTime> {
    let plain_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain_digits && text.len() > 4 {
        return OffsetDateTime::from_unix_timestamp(text.parse().ok()?).ok();
    }
    if text.contains('T') {
        return OffsetDateTime::parse(text, &Rfc3339)
            .ok()
            .or_else(|| without_seconds(text));
    }
    let mut parts = text.splitn(3, '-');
    let year = parts.next()?.parse().ok()?;
    let month = parts.next().map_or(Some(1), |month| month.parse().ok())?;
    let day = parts.next().map_or(Some(1), |day| day.parse().ok())?;
    let date = Date::from_calendar_date(year, Month::try_from(month).ok()?, day).ok()?;
    Some(date.with_time(Time::MIDNIGHT).assume_utc())
}

/// `2026-11-22T10:00Z`, which RFC 3339 does not know and the W3C profile does.
fn without_seconds(text: &str) -> Option<OffsetDateTime> {
    let (minute, zone) = text.split_at_checked(16)?;
    OffsetDateTime::parse(&format!("{minute}:00{zone}"), &Rfc3339).ok()
}
