//! The status of a running region as a table.

use serde_json::Value as Json;

/// Doors, sign-ins, and one line per component.
pub(crate) fn table(status: &Json) -> String {
    let mut text = String::new();
    let field = |value: &Json, name: &str| match &value[name] {
        Json::Array(words) => {
            let words: Vec<_> = words.iter().filter_map(Json::as_str).collect();
            words.join(" ")
        }
        one => one.as_str().unwrap_or_default().to_owned(),
    };
    for (label, name) in [("site", "site"), ("AWS API", "aws")] {
        if let Some(address) = status[name].as_str() {
            text += &format!("{label:<9} {address}\n");
        }
    }
    let sign_ins = status["signIns"].as_array().into_iter().flatten();
    for (index, person) in sign_ins.enumerate() {
        let label = if index == 0 { "sign in" } else { "" };
        let (email, password, role) = (
            field(person, "email"),
            field(person, "password"),
            field(person, "role"),
        );
        text += &format!("{label:<9} {email:<24} {password}  {role}\n");
    }
    text.push('\n');
    let header = [
        "COMPONENT",
        "ADDRESS",
        "PUBLIC",
        "SUBNET",
        "SECURITY GROUPS",
        "STATE",
    ];
    let mut rows = vec![header.map(str::to_owned)];
    for row in status["components"].as_array().into_iter().flatten() {
        rows.push(
            [
                "name",
                "address",
                "public",
                "subnet",
                "securityGroups",
                "state",
            ]
            .map(|name| field(row, name)),
        );
    }
    text + &columns(&rows)
}

/// Rows with every column as wide as its widest cell.
fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or(0));
    let line = |row: &[String; N]| {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [["A", "BB"], ["long", "x"]].map(|row| row.map(str::to_owned));
        assert_eq!(columns(&rows), "A     BB\nlong  x\n");
    }
}
