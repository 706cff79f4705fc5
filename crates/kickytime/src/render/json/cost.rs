//! A bill as JSON.

use analysis::cost::{Bill, Prices};
use serde_json::{Value, json};

use super::span;

pub(crate) fn bill(bill: &Bill, prices: &Prices) -> Value {
    let lines = bill.lines.iter().map(|line| {
        json!({
            "resource": line.resource.as_str(),
            "what": line.what,
            "usdMonth": line.usd_month(),
            "fixedUsdMonth": line.fixed_usd_month,
            "usdPerGb": line.per_gb.map(|(price, _)| price),
            "source": line.source,
            "span": span(line.provenance.span),
        })
    });
    let points = bill.break_even.iter().map(|point| {
        json!({
            "natGateways": point.gateways,
            "endpointsUsdMonth": point.endpoints_usd_month,
            "natGatewaysUsdMonth": point.gateways_usd_month,
            "gbMonth": point.gb_month,
        })
    });
    json!({
        "version": 1,
        "usdMonth": bill.usd_month(),
        "fixedUsdMonth": bill.fixed_usd_month(),
        "lines": lines.collect::<Vec<_>>(),
        "unpriced": bill.unpriced.iter()
            .map(|one| json!({ "resource": one.resource.as_str(), "what": one.what }))
            .collect::<Vec<_>>(),
        "breakEven": points.collect::<Vec<_>>(),
        "prices": { "region": prices.region, "read": prices.read, "sources": prices.sources },
    })
}
