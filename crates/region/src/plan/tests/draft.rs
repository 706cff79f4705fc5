//! The real template, and copies of it with a fault or other parameters.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::Model;

use crate::blueprint::Blueprint;
use crate::plan::{PlanFault, Settings, SignIn, plan};

const TEMPLATE: &str = include_str!("../../../../../infra/kickytime.yaml");
const PARAMETERS: &str = include_str!("../../../../../infra/kickytime.local.json");
/// The password of somebody who can sign in.
pub(super) const PASSWORD: &str = "correct-horse-battery-7";

pub(super) struct Draft {
    text: String,
    parameters: BTreeMap<String, String>,
}

impl Draft {
    pub(super) fn template() -> Self {
        Self {
            text: TEMPLATE.to_owned(),
            parameters: cfn::parse_parameters(PARAMETERS).unwrap(),
        }
    }

    pub(super) fn with(mut self, parameter: &str, value: &str) -> Self {
        self.parameters
            .insert(parameter.to_owned(), value.to_owned());
        self
    }

    /// The first `from` after the line of a resource becomes `to`.
    pub(super) fn replacing(mut self, id: &str, from: &str, to: &str) -> Self {
        let start = self.text.find(&format!("\n  {id}:\n"));
        let start = start.unwrap_or_else(|| panic!("no resource `{id}`"));
        let at = self.text[start..].find(from);
        let at = start + at.unwrap_or_else(|| panic!("`{id}` has no `{from}`"));
        self.text.replace_range(at..at + from.len(), to);
        self
    }

    /// The first `from` of the text becomes `to`.
    pub(super) fn replacing_first(mut self, from: &str, to: &str) -> Self {
        assert!(self.text.contains(from), "no `{from}`");
        self.text = self.text.replacen(from, to, 1);
        self
    }

    pub(super) fn line(&self, number: usize) -> &str {
        self.text.lines().nth(number.wrapping_sub(1)).unwrap_or("")
    }

    fn model(&self) -> Model {
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
        model::lower(&Arc::new(stack))
    }

    fn plan(&self) -> Result<Blueprint, Vec<PlanFault>> {
        let settings = Settings {
            site_port: 8000,
            sign_ins: vec![SignIn {
                email: "admin@kickytime.test".to_owned(),
                nickname: "admin".to_owned(),
                password: PASSWORD.into(),
                groups: vec!["admin".to_owned()],
            }],
        };
        plan(&self.model(), "kickytime.yaml", &settings)
    }

    #[track_caller]
    pub(super) fn planned(&self) -> Blueprint {
        self.plan().unwrap_or_else(|faults| panic!("{faults:?}"))
    }

    #[track_caller]
    pub(super) fn faults(&self) -> Vec<PlanFault> {
        match self.plan() {
            Ok(_) => panic!("it was planned, faults and all"),
            Err(faults) => faults,
        }
    }
}
