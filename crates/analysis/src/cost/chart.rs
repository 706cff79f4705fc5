//! The break-even of endpoints and NAT gateways, to look at.

use std::fmt::Write as _;

use super::{Bill, BreakEven, Prices};

const WIDTH: usize = 60;
const HEIGHT: usize = 14;

/// Monthly cost over traffic, as text: `E` endpoints, `1` and `2` gateways.
pub fn terminal(bill: &Bill, prices: &Prices) -> String {
    let Some(lines) = Lines::new(bill, prices) else {
        return String::new();
    };
    let mut cells = vec![vec![' '; WIDTH]; HEIGHT];
    for (mark, line) in lines.all() {
        for (column, gb) in (0..WIDTH).map(|column| (column, lines.gb_at(column))) {
            let row = row(line.at(gb) / lines.top);
            let cell = &mut cells[HEIGHT - 1 - row][column];
            *cell = if *cell == ' ' { mark } else { '×' };
        }
    }
    let mut text = String::from("USD a month\n");
    for (index, row) in cells.iter().enumerate() {
        let label = if index % 4 == 0 {
            let share = 1.0 - ratio(index, HEIGHT - 1);
            format!("{:6.0}", lines.top * share)
        } else {
            " ".repeat(6)
        };
        let _ = writeln!(
            text,
            "{label} │{}",
            row.iter().collect::<String>().trim_end()
        );
    }
    let _ = writeln!(text, "       └{}", "─".repeat(WIDTH));
    let _ = writeln!(
        text,
        "        0{:>width$.0} GB a month",
        lines.most_gb,
        width = WIDTH - 1
    );
    let _ = writeln!(text, "        E endpoints   1, 2 NAT gateways   × equal");
    text
}

/// The same as a picture.
pub fn svg(bill: &Bill, prices: &Prices) -> String {
    let Some(lines) = Lines::new(bill, prices) else {
        return String::new();
    };
    let (width, height, left, bottom) = (640.0, 360.0, 60.0, 40.0);
    let x = |gb: f64| left + gb / lines.most_gb * (width - left - 130.0);
    let y = |usd: f64| height - bottom - usd / lines.top * (height - bottom - 40.0);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"13\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"{left}\" y=\"22\" font-weight=\"600\">Endpoints or NAT: USD a month over GB a month</text>\n"
    );
    for step in 0..=4 {
        let usd = lines.top * f64::from(step) / 4.0;
        let gb = lines.most_gb * f64::from(step) / 4.0;
        let (at, right) = (y(usd), x(lines.most_gb));
        let _ = writeln!(
            text,
            "<path d=\"M{left} {at:.1}H{right:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#555\">{usd:.0}</text>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555\">{gb:.0}</text>",
            left - 8.0,
            at + 4.0,
            x(gb),
            height - bottom + 20.0
        );
    }
    let names = [
        ('E', "endpoints", "#1a73e8"),
        ('1', "1 NAT gateway", "#d93025"),
        ('2', "2 NAT gateways", "#b06000"),
    ];
    for (mark, line) in lines.all() {
        let Some((_, name, color)) = names.iter().find(|(one, ..)| *one == mark) else {
            continue;
        };
        let (start, end) = (line.at(0.0), line.at(lines.most_gb));
        let _ = writeln!(
            text,
            "<path d=\"M{:.1} {:.1}L{:.1} {:.1}\" stroke=\"{color}\" stroke-width=\"2\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" fill=\"{color}\">{name}</text>",
            x(0.0),
            y(start),
            x(lines.most_gb),
            y(end),
            x(lines.most_gb) + 6.0,
            y(end) + 4.0
        );
    }
    for point in &bill.break_even {
        let usd = lines.endpoints.at(point.gb_month);
        let (at_x, at_y) = (x(point.gb_month), y(usd));
        let _ = writeln!(
            text,
            "<circle cx=\"{at_x:.1}\" cy=\"{at_y:.1}\" r=\"4\" fill=\"#202124\"/>\
             <text x=\"{at_x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{:.0} GB</text>",
            at_y - 10.0,
            point.gb_month
        );
    }
    text + "</svg>\n"
}

/// A straight line of cost over traffic.
#[derive(Clone, Copy)]
struct Line {
    fixed: f64,
    per_gb: f64,
}

impl Line {
    fn at(self, gb: f64) -> f64 {
        self.fixed + self.per_gb * gb
    }
}

struct Lines {
    endpoints: Line,
    gateways: Vec<(u32, Line)>,
    most_gb: f64,
    top: f64,
}

impl Lines {
    fn new(bill: &Bill, prices: &Prices) -> Option<Self> {
        let first = bill.break_even.first()?;
        let price = |key: &str| prices.get(key).map_or(0.0, |price| price.usd);
        let gateway = |point: &BreakEven| {
            let line = Line {
                fixed: point.gateways_usd_month,
                per_gb: price("nat_gateway_gb"),
            };
            (point.gateways, line)
        };
        let endpoints = Line {
            fixed: first.endpoints_usd_month,
            per_gb: price("interface_endpoint_gb"),
        };
        let gateways: Vec<_> = bill.break_even.iter().map(gateway).collect();
        let most_gb = (first.gb_month * 1.4).max(100.0);
        let ends = gateways.iter().map(|(_, line)| line.at(most_gb));
        let top = ends.fold(endpoints.at(most_gb), f64::max);
        Some(Self {
            endpoints,
            gateways,
            most_gb,
            top,
        })
    }

    fn all(&self) -> Vec<(char, Line)> {
        let gateways = self.gateways.iter();
        let gateways =
            gateways.filter_map(|(number, line)| Some((char::from_digit(*number, 10)?, *line)));
        std::iter::once(('E', self.endpoints))
            .chain(gateways)
            .collect()
    }

    fn gb_at(&self, column: usize) -> f64 {
        self.most_gb * ratio(column, WIDTH - 1)
    }
}

fn ratio(part: usize, whole: usize) -> f64 {
    let number = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    number(part) / number(whole)
}

/// The row, from the bottom, of a share of the height.
fn row(share: f64) -> usize {
    (0..HEIGHT)
        .rev()
        .find(|row| share >= ratio(*row, HEIGHT - 1) - 0.5 / 13.0)
        .unwrap_or(0)
}
