//! Is any text read and evaluated without a panic, with sound spans?
#![no_main]

use cfn::Environment;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let environment = Environment {
        account_id: "123456789012".to_owned(),
        region: "ap-northeast-2".to_owned(),
        stack_name: "fuzz".to_owned(),
        parameters: [("P".to_owned(), "a,b".to_owned())].into(),
    };
    let (template, mut faults) = cfn::parse("fuzz", &text);
    let (_, more) = cfn::evaluate(&template, &environment);
    faults.extend(more);
    for fault in faults {
        assert!(text.get(fault.span.start..fault.span.end).is_some());
    }
});
