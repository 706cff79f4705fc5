//! The real template, and changed copies of its text.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::Model;
use region::blueprint::Blueprint;
use region::plan::{Settings, plan};

const TEMPLATE: &str = include_str!("../../../../infra/kickytime.yaml");
const PARAMETERS: &str = include_str!("../../../../infra/kickytime.local.json");

/// A template's text and its parameters.
#[derive(Clone)]
pub(crate) struct Draft {
    text: String,
    parameters: BTreeMap<String, String>,
}

impl Draft {
    pub(crate) fn template() -> Self {
        Self {
            text: TEMPLATE.to_owned(),
            parameters: cfn::parse_parameters(PARAMETERS).unwrap(),
        }
    }

    /// The template with few interfaces: one of each kind that matters, two
    /// in one subnet, so that it is built and probed in no time.
    pub(crate) fn small() -> Self {
        let endpoints = [
            "EcrApi",
            "EcrDkr",
            "Logs",
            "Kms",
            "SsmMessages",
            "Ec2Messages",
        ];
        let all = Self::template().with("DesiredCount", "1");
        endpoints
            .iter()
            .fold(all, |draft, name| draft.without(&format!("{name}Endpoint")))
    }

    pub(crate) fn with(mut self, parameter: &str, value: &str) -> Self {
        assert!(
            self.text.contains(&format!("\n  {parameter}:\n")),
            "no parameter `{parameter}`"
        );
        self.parameters
            .insert(parameter.to_owned(), value.to_owned());
        self
    }

    /// Without a resource, and with nothing that waits for it.
    pub(crate) fn without(mut self, id: &str) -> Self {
        let (start, end) = self.resource(id);
        self.text.replace_range(start..end, "");
        for wait in [format!("      - {id}\n"), format!("    DependsOn: {id}\n")] {
            self.text = self.text.replace(&wait, "");
        }
        self
    }

    /// With other text in a resource: the first `from` becomes `to`.
    pub(crate) fn replacing(mut self, id: &str, from: &str, to: &str) -> Self {
        let (start, end) = self.resource(id);
        let old = &self.text[start..end];
        assert!(old.contains(from), "`{id}` has no `{from}`:\n{old}");
        let new = old.replacen(from, to, 1);
        self.text.replace_range(start..end, &new);
        self
    }

    /// With resources more, written as under `Resources`.
    pub(crate) fn adding(mut self, resources: &str) -> Self {
        let end = self.text.find("\nOutputs:\n").unwrap();
        self.text.insert_str(end, &format!("\n{resources}\n"));
        self
    }

    /// Whether its text knows which addresses stand in for AWS's here, which
    /// nobody who reasons about AWS's own can know.
    pub(crate) fn knows_stand_ins(&self) -> bool {
        ["192.0.2.", "198.51.100."]
            .iter()
            .any(|block| self.text.contains(block))
    }

    /// From a resource's line to that of whatever comes next in its column.
    fn resource(&self, id: &str) -> (usize, usize) {
        let start = self.text.find(&format!("\n  {id}:\n"));
        let start = start.unwrap_or_else(|| panic!("no resource `{id}`")) + 1;
        let length = self.text[start + 1..]
            .match_indices("\n  ")
            .map(|(at, _)| at + 1)
            .find(|at| !self.text[start + 1 + at..].starts_with("   "));
        (start, start + 1 + length.unwrap())
    }

    pub(crate) fn model(&self) -> Model {
        let environment = cfn::Environment {
            account_id: "000000000000".to_owned(),
            region: "ap-northeast-2".to_owned(),
            stack_name: "kickytime".to_owned(),
            parameters: self.parameters.clone(),
        };
        let (template, faults) = cfn::parse("kickytime.yaml", &self.text);
        assert!(faults.is_empty(), "{faults:?}");
        let (stack, faults) = cfn::evaluate(&template, &environment);
        assert!(faults.is_empty(), "{faults:?}");
        let model = model::lower(&Arc::new(stack));
        assert!(model.not_analysed.is_empty(), "{:?}", model.not_analysed);
        model
    }
}

pub(crate) fn blueprint(model: &Model) -> Blueprint {
    let settings = Settings {
        site_port: 8000,
        sign_ins: Vec::new(),
    };
    plan(model, "kickytime.yaml", &settings).unwrap_or_else(|faults| panic!("{faults:?}"))
}
