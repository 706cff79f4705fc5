//! Is any template lowered and asked everything without a panic?
#![no_main]

use std::sync::Arc;

use analysis::check::check;
use analysis::diagram::{picture, svg};
use analysis::reach::{Network, matrix};
use cfn::Environment;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let environment = Environment {
        account_id: "123456789012".to_owned(),
        region: "us-east-1".to_owned(),
        stack_name: "fuzz".to_owned(),
        parameters: [].into(),
    };
    let (template, _) = cfn::parse("fuzz", &text);
    let (stack, _) = cfn::evaluate(&template, &environment);
    let model = model::lower(&Arc::new(stack));
    check(&model);
    matrix(&Network::new(&model));
    svg(&picture(&model));
});
