//! The picture with places, as SVG.
//!
//! Every part has a row of its own, spanning the zones it stands in, so no two
//! boxes overlap. Flows leave and enter at the right, each at a height of its
//! own, and run down lanes beyond the labels.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Flow, Part, PartKind, Picture, SubnetBox, Tier};

const LEFT: f64 = 24.0;
const ZONE: f64 = 300.0;
const GAP: f64 = 14.0;
/// Height of a flow's end at a box.
const PORT: f64 = 18.0;
/// Room between boxes and lanes, for labels.
const LABELS: f64 = 116.0;
const LANE: f64 = 13.0;

/// A box with its place.
struct Placed<'p> {
    part: &'p Part,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    /// Flow ends handed out so far.
    ports: usize,
}

/// Draws a picture.
pub fn svg(picture: &Picture) -> String {
    let flows = bundles(picture);
    let zones = number(picture.zones.len().max(1));
    let content = zones * ZONE;
    let edge = LEFT + content + 2.0 * GAP;
    let mut body = String::new();
    let mut frames = String::new();
    let mut placed: Vec<Placed<'_>> = Vec::new();
    let mut y = 56.0;
    for part in picture
        .parts
        .iter()
        .filter(|part| part.tier == Tier::Outside)
    {
        y = place(&mut placed, part, &flows, (LEFT + GAP, content), y);
    }
    let top = y + 4.0;
    y += 52.0;
    for tier in [Tier::Public, Tier::Private, Tier::Isolated] {
        let subnets: Vec<&SubnetBox> = picture
            .subnets
            .iter()
            .filter(|subnet| subnet.tier == tier)
            .collect();
        let parts = picture.parts.iter().filter(|part| part.tier == tier);
        if subnets.is_empty() {
            continue;
        }
        let deepest = (0..picture.zones.len())
            .map(|zone| subnets.iter().filter(|subnet| subnet.zone == zone).count())
            .max();
        let start = y;
        y += 18.0 * number(deepest.unwrap_or(1)) + 10.0;
        for part in parts {
            let first = number(part.zones.first().copied().unwrap_or(0));
            let last = number(part.zones.last().copied().unwrap_or(0));
            let x = LEFT + GAP + first * ZONE + 10.0;
            let width = (last - first + 1.0) * ZONE - 20.0;
            y = place(&mut placed, part, &flows, (x, width), y);
        }
        y += 6.0;
        subnet_frames(&mut frames, &subnets, start, y - start);
        y += GAP;
    }
    for part in picture
        .parts
        .iter()
        .filter(|part| part.tier == Tier::Gateway)
    {
        y = place(
            &mut placed,
            part,
            &flows,
            (LEFT + GAP + 10.0, content - 20.0),
            y,
        );
    }
    let bottom = y + 6.0;
    let lanes = connect(&mut body, &mut placed, &flows, edge);
    for one in &placed {
        draw(&mut body, one);
    }
    let (width, height) = (edge + LABELS + number(lanes) * LANE + 24.0, bottom + 20.0);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         width=\"{width:.0}\" height=\"{height:.0}\" font-family=\"system-ui, sans-serif\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    vpc_frame(&mut text, picture, (top, bottom), content);
    text + &frames + &body + "</svg>\n"
}

/// Flows of one kind into one part: they share a lane and an arrow.
struct Bundle<'p> {
    to: &'p str,
    label: &'p str,
    from: Vec<&'p str>,
}

/// The bundles whose ends are drawn.
fn bundles(picture: &Picture) -> Vec<Bundle<'_>> {
    let drawn = |name: &str| picture.parts.iter().any(|part| part.name == name);
    let mut bundles: Vec<Bundle<'_>> = Vec::new();
    for Flow { from, to, label } in &picture.flows {
        if !drawn(from) || !drawn(to) {
            continue;
        }
        match bundles
            .iter_mut()
            .find(|one| one.to == to && one.label == label)
        {
            Some(bundle) => bundle.from.push(from),
            None => bundles.push(Bundle {
                to,
                label,
                from: vec![from],
            }),
        }
    }
    bundles
}

/// Puts a part on a row of its own, high enough for its flows; the next row's top.
fn place<'p>(
    placed: &mut Vec<Placed<'p>>,
    part: &'p Part,
    flows: &[Bundle<'_>],
    (x, width): (f64, f64),
    y: f64,
) -> f64 {
    let name = part.name.as_str();
    let ends = flows
        .iter()
        .map(|flow| usize::from(flow.from.contains(&name)) + usize::from(flow.to == name));
    let height = (number(ends.sum()) * PORT + 8.0).max(48.0);
    placed.push(Placed {
        part,
        x,
        y,
        width,
        height,
        ports: 0,
    });
    y + height + 10.0
}

/// Draws the flows, short ones on inner lanes; how many lanes they took.
fn connect(body: &mut String, placed: &mut [Placed<'_>], flows: &[Bundle<'_>], edge: f64) -> usize {
    let at = |name: &str| placed.iter().position(|one| one.part.name == name);
    let mut ends: Vec<(Vec<usize>, usize, &str)> = Vec::new();
    for flow in flows {
        let from: Vec<usize> = flow.from.iter().filter_map(|name| at(name)).collect();
        if let Some(to) = at(flow.to) {
            ends.push((from, to, flow.label));
        }
    }
    let length =
        |from: &[usize], to: usize| from.iter().map(|one| one.abs_diff(to)).max().unwrap_or(0);
    ends.sort_by_key(|(from, to, _)| (length(from, *to), *to));
    let mut lanes: Vec<Vec<(f64, f64)>> = Vec::new();
    for (from, to, label) in ends {
        let starts: Vec<(f64, f64)> = from.iter().map(|one| port(&mut placed[*one])).collect();
        let (end_x, end) = port(&mut placed[to]);
        let heights = || starts.iter().map(|(_, y)| *y).chain([end]);
        let (low, high) = (heights().fold(end, f64::min), heights().fold(end, f64::max));
        let free = |lane: &Vec<(f64, f64)>| {
            lane.iter()
                .all(|(first, last)| high + 4.0 < *first || low - 4.0 > *last)
        };
        let lane = lanes.iter().position(free).unwrap_or(lanes.len());
        if lane == lanes.len() {
            lanes.push(Vec::new());
        }
        lanes[lane].push((low, high));
        let x = edge + LABELS + number(lane) * LANE;
        let (_, colour) = colours(placed[to].part.kind);
        for (start_x, start) in &starts {
            let _ = writeln!(
                body,
                "<circle cx=\"{start_x:.0}\" cy=\"{start:.0}\" r=\"3\" fill=\"{colour}\"/>\
                 <path d=\"M{start_x:.0} {start:.0}H{x:.0}\" stroke=\"{colour}\" stroke-width=\"1.4\"/>"
            );
        }
        let label = escape(&short(label, 17));
        let _ = writeln!(
            body,
            "<path d=\"M{x:.0} {low:.0}V{high:.0}\" stroke=\"{colour}\" stroke-width=\"1.4\"/>\
             <path d=\"M{x:.0} {end:.0}H{:.0}\" stroke=\"{colour}\" stroke-width=\"1.4\"/>\
             <path d=\"M{end_x:.0} {end:.0}l8 -4v8z\" fill=\"{colour}\"/>\
             <text x=\"{:.0}\" y=\"{:.0}\" font-size=\"11\" fill=\"#202124\">{label}</text>",
            end_x + 6.0,
            edge + 4.0,
            end - 3.0
        );
    }
    lanes.len()
}

/// The next free place at a box's right side.
fn port(one: &mut Placed<'_>) -> (f64, f64) {
    let y = one.y + 4.0 + (number(one.ports) + 0.7) * PORT;
    one.ports += 1;
    (one.x + one.width, y)
}

fn draw(body: &mut String, one: &Placed<'_>) {
    let (fill, stroke) = colours(one.part.kind);
    let room = one.width - 24.0;
    let title = escape(&short(&one.part.title, fits(room, 8.0)));
    let detail = escape(&short(&one.part.detail, fits(room, 6.2)));
    let (x, y, width, height) = (one.x, one.y, one.width, one.height);
    let _ = writeln!(
        body,
        "<rect x=\"{x:.0}\" y=\"{y:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" rx=\"8\" \
         fill=\"{fill}\" stroke=\"{stroke}\" stroke-width=\"1.5\"/>\
         <text x=\"{:.0}\" y=\"{:.0}\" font-size=\"14\" font-weight=\"600\" fill=\"#202124\">{title}</text>\
         <text x=\"{:.0}\" y=\"{:.0}\" font-size=\"12\" fill=\"#3c4043\">{detail}</text>",
        x + 12.0,
        y + 20.0,
        x + 12.0,
        y + 37.0
    );
}

fn subnet_frames(frames: &mut String, subnets: &[&SubnetBox], y: f64, height: f64) {
    let mut rows: BTreeMap<usize, f64> = BTreeMap::new();
    for subnet in subnets {
        let x = LEFT + GAP + number(subnet.zone) * ZONE + 4.0;
        let row = rows.entry(subnet.zone).or_insert(0.0);
        if *row == 0.0 {
            let (fill, stroke) = match subnet.tier {
                Tier::Public => ("#f1f8e9", "#7cb342"),
                Tier::Isolated => ("#fbf3ff", "#a56bc7"),
                _ => ("#f0f6ff", "#7aa7e0"),
            };
            let _ = writeln!(
                frames,
                "<rect x=\"{x:.0}\" y=\"{y:.0}\" width=\"{:.0}\" height=\"{height:.0}\" rx=\"6\" \
                 fill=\"{fill}\" stroke=\"{stroke}\"/>",
                ZONE - 8.0
            );
        }
        let label = escape(&short(&format!("{}  {}", subnet.name, subnet.cidr), 44));
        let _ = writeln!(
            frames,
            "<text x=\"{:.0}\" y=\"{:.0}\" font-size=\"11\" fill=\"#5f6368\">{label}</text>",
            x + 8.0,
            y + 16.0 + *row
        );
        *row += 18.0;
    }
}

fn vpc_frame(text: &mut String, picture: &Picture, (top, bottom): (f64, f64), content: f64) {
    if picture.vpcs.is_empty() {
        return;
    }
    let (width, height) = (content + 2.0 * GAP, bottom - top);
    let names = escape(&picture.vpcs.join(", "));
    let _ = writeln!(
        text,
        "<text x=\"{LEFT}\" y=\"32\" font-size=\"13\" fill=\"#5f6368\">lines: what the network lets pass</text>\
         <rect x=\"{LEFT}\" y=\"{top:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" rx=\"10\" \
         fill=\"#fcfcfd\" stroke=\"#5f6368\" stroke-width=\"1.5\"/>\
         <text x=\"{:.0}\" y=\"{:.0}\" font-size=\"13\" font-weight=\"600\" fill=\"#3c4043\">VPC {names}</text>",
        LEFT + 10.0,
        top + 20.0
    );
    for (index, zone) in picture.zones.iter().enumerate() {
        let x = LEFT + GAP + (number(index) + 0.5) * ZONE;
        let _ = writeln!(
            text,
            "<text x=\"{x:.0}\" y=\"{:.0}\" font-size=\"12\" text-anchor=\"middle\" fill=\"#5f6368\">{}</text>",
            top + 38.0,
            escape(zone)
        );
    }
}

fn colours(kind: PartKind) -> (&'static str, &'static str) {
    match kind {
        PartKind::Internet => ("#eceff1", "#607d8b"),
        PartKind::Distribution => ("#ede7f6", "#673ab7"),
        PartKind::Bucket => ("#e8f5e9", "#2e7d32"),
        PartKind::NatGateway | PartKind::LoadBalancer => ("#fff8e1", "#b26a00"),
        PartKind::Instance | PartKind::Task | PartKind::Function => ("#fff3e0", "#e65100"),
        PartKind::Endpoint => ("#e3f2fd", "#1565c0"),
        PartKind::Database => ("#e8eaf6", "#283593"),
    }
}

/// How many characters of a width fit.
fn fits(room: f64, character: f64) -> usize {
    (1..200)
        .take_while(|count| number(*count) * character <= room)
        .count()
}

fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end_matches([',', ' ']))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
