//! The picture as a Mermaid flowchart, for places that draw those.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Part, Picture, Tier};

/// Writes a picture down.
pub fn mermaid(picture: &Picture) -> String {
    let names = picture.parts.iter().enumerate();
    let ids: BTreeMap<&str, String> = names
        .map(|(index, part)| (part.name.as_str(), format!("p{index}")))
        .collect();
    let mut text = String::from("flowchart TD\n");
    let of = |tier: Tier| picture.parts.iter().filter(move |part| part.tier == tier);
    for part in of(Tier::Outside) {
        node(&mut text, part, &ids, "  ");
    }
    let _ = writeln!(
        text,
        "  subgraph vpc[\"VPC {}\"]",
        quoted(&picture.vpcs.join(", "))
    );
    let tiers = [
        (Tier::Public, "public subnets"),
        (Tier::Private, "private subnets"),
        (Tier::Isolated, "isolated subnets"),
    ];
    for (tier, name) in tiers {
        if of(tier).next().is_none() {
            continue;
        }
        let _ = writeln!(text, "    subgraph {tier:?}[\"{name}\"]");
        for part in of(tier) {
            node(&mut text, part, &ids, "      ");
        }
        text += "    end\n";
    }
    for part in of(Tier::Gateway) {
        node(&mut text, part, &ids, "    ");
    }
    text += "  end\n";
    for flow in &picture.flows {
        if let (Some(from), Some(to)) = (ids.get(flow.from.as_str()), ids.get(flow.to.as_str())) {
            let _ = writeln!(text, "  {from} -->|\"{}\"| {to}", quoted(&flow.label));
        }
    }
    text
}

fn node(text: &mut String, part: &Part, ids: &BTreeMap<&str, String>, indent: &str) {
    let Some(id) = ids.get(part.name.as_str()) else {
        return;
    };
    let (name, detail) = (quoted(&part.title), quoted(&part.detail));
    let label = if detail.is_empty() {
        name
    } else {
        format!("{name}<br/>{detail}")
    };
    let _ = writeln!(text, "{indent}{id}[\"{label}\"]");
}

fn quoted(text: &str) -> String {
    text.replace('"', "#quot;")
}
