//! A bill as people read it.

use std::fmt::Write as _;

use analysis::cost::{Bill, Prices, terminal};
use cfn::Source;

pub(crate) fn bill(source: &Source, bill: &Bill, prices: &Prices) -> String {
    let mut text = String::new();
    let width = bill
        .lines
        .iter()
        .map(|line| line.resource.as_str().len())
        .max()
        .unwrap_or(0);
    for line in &bill.lines {
        let place = format!("({}:{})", source.name, line.provenance.span.line);
        let per_gb = line
            .per_gb
            .map(|(price, gb)| format!(", {price} a GB, {gb:.0} GB"));
        let what = format!("{}{}", line.what, per_gb.unwrap_or_default());
        let (resource, usd) = (line.resource.as_str(), line.usd_month());
        let _ = writeln!(text, "{usd:9.2}  {resource:width$}  {what}  {place}");
    }
    let (total, fixed) = (bill.usd_month(), bill.fixed_usd_month());
    let _ = writeln!(text, "{total:9.2}  USD a month, {fixed:.2} of it fixed\n");
    for one in &bill.unpriced {
        let _ = writeln!(text, "no price: {} ({})", one.what, one.resource);
    }
    for point in &bill.break_even {
        let (gateways, gb) = (point.gateways, point.gb_month);
        let (endpoints, nat) = (point.endpoints_usd_month, point.gateways_usd_month);
        let _ = writeln!(
            text,
            "endpoints cost {endpoints:.2} a month, {gateways} NAT {} {nat:.2}: endpoints are \
             cheaper above {gb:.0} GB a month",
            if gateways == 1 { "gateway" } else { "gateways" }
        );
    }
    if !bill.break_even.is_empty() {
        let _ = writeln!(text, "\n{}", terminal(bill, prices));
    }
    let _ = writeln!(
        text,
        "Prices of {}, read {}: {}",
        prices.region, prices.read, prices.note
    );
    text
}
