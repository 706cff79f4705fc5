//! What does an unquoted word of the template mean?
//!
//! CloudFormation reads YAML 1.1: `yes` and `off` are booleans. What looks
//! like a date, an octal number or a time of day stays text here, because
//! that is what its author meant (`2012-10-17`, an account id, `22:30`).

use crate::node::NodeKind;

/// Resolves a plain (unquoted) scalar.
pub(crate) fn resolve(text: &str) -> NodeKind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => NodeKind::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => {
            NodeKind::Bool(true)
        }
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            NodeKind::Bool(false)
        }
        _ if is_number(text) => NodeKind::Number(text.to_owned()),
        _ => NodeKind::String(text.to_owned()),
    }
}

/// True of text that YAML 1.1 reads as an octal number: `0123`.
pub(crate) fn is_octal(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    digits.len() > 1
        && digits.starts_with('0')
        && digits.bytes().all(|byte| matches!(byte, b'0'..=b'7'))
}

/// True of decimal numbers both YAML 1.1 and JSON take for numbers: no leading
/// zeros, and an exponent only after a fraction and with its sign, so that
/// `12e4`, a commit's hash, is none.
pub(crate) fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned
        .split_once('.')
        .map_or((unsigned, None), |(whole, fraction)| {
            (whole, Some(fraction))
        });
    let whole_fits = is_digits(whole) && (whole.len() == 1 || !whole.starts_with('0'));
    whole_fits && fraction.is_none_or(is_fraction)
}

fn is_fraction(text: &str) -> bool {
    match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => {
            is_digits(digits) && exponent.strip_prefix(['-', '+']).is_some_and(is_digits)
        }
        None => is_digits(text),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_what_cloudformation_reads() {
        let booleans = ["yes", "Yes", "on", "TRUE", "true"];
        assert!(
            booleans
                .iter()
                .all(|word| resolve(word) == NodeKind::Bool(true))
        );
        let refusals = ["no", "NO", "off", "False"];
        assert!(
            refusals
                .iter()
                .all(|word| resolve(word) == NodeKind::Bool(false))
        );
        for number in ["0", "-1", "443", "0.5", "1.5e+3", "123456789012"] {
            assert_eq!(resolve(number), NodeKind::Number(number.to_owned()));
        }
        for text in [
            "2012-10-17",
            "012345678901",
            "0123",
            "22:30",
            "1_000",
            "0x1F",
            "12e4",
            "1.2.3",
            "y",
            "n",
            "+1",
            ".5",
            "1.",
            "yEs",
            "10.0.0.0/16",
            "-",
            "--1",
        ] {
            assert_eq!(resolve(text), NodeKind::String(text.to_owned()));
        }
        for nothing in ["", "~", "null"] {
            assert_eq!(resolve(nothing), NodeKind::Null);
        }
    }

    #[test]
    fn octal_is_recognised_only_by_octal_digits() {
        assert!(is_octal("0123") && is_octal("-017") && is_octal("00"));
        assert!(!is_octal("0") && !is_octal("0189") && !is_octal("123") && !is_octal("0-1"));
    }
}
