use std::sync::Arc;

use super::*;

fn ours() -> Model {
    let text = include_str!("../../../../infra/kickytime.yaml");
    let (template, _) = cfn::parse("kickytime.yaml", text);
    let environment = cfn::Environment {
        account_id: "000000000000".to_owned(),
        region: "ap-northeast-2".to_owned(),
        stack_name: "kickytime".to_owned(),
        parameters: BTreeMap::from([("DomainName".to_owned(), "kickytime.test".to_owned())]),
    };
    let (stack, _) = cfn::evaluate(&template, &environment);
    model::lower(&Arc::new(stack))
}

/// Rectangles of parts never overlap, nor do labels share a place.
#[test]
fn nothing_lies_on_anything_else() {
    let drawn = svg(&picture(&ours()));
    let value = |line: &str, key: &str| -> f64 {
        let start = line.find(&format!(" {key}=\"")).unwrap() + key.len() + 3;
        line[start..].split('"').next().unwrap().parse().unwrap()
    };
    let boxes: Vec<[f64; 4]> = drawn
        .lines()
        .filter(|line| line.contains("rx=\"8\""))
        .map(|line| ["x", "y", "width", "height"].map(|key| value(line, key)))
        .collect();
    assert!(boxes.len() > 8, "{}", boxes.len());
    for (index, a) in boxes.iter().enumerate() {
        for b in &boxes[index + 1..] {
            let apart = a[0] + a[2] <= b[0]
                || b[0] + b[2] <= a[0]
                || a[1] + a[3] <= b[1]
                || b[1] + b[3] <= a[1];
            assert!(apart, "{a:?} and {b:?}");
        }
    }
    let mut labels: Vec<&str> = drawn
        .lines()
        .filter(|line| line.starts_with("<path d=\"M"))
        .filter_map(|line| line.rsplit_once("<text ")?.1.split(" font-size").next())
        .collect();
    let all = labels.len();
    labels.sort_unstable();
    labels.dedup();
    assert!(
        all > 9 && labels.len() == all,
        "{all} labels, {} places",
        labels.len()
    );
}

#[test]
fn every_flow_is_in_the_flowchart() {
    let picture = picture(&ours());
    let text = mermaid(&picture);
    assert_eq!(text.matches(" -->|").count(), picture.flows.len());
    assert!(
        text.contains("[\"UsersService<br/>ECS service, 2 tasks\"]"),
        "{text}"
    );
    assert_eq!(
        text.matches("subgraph").count(),
        1 + text.matches("\n    end\n").count()
    );
}
