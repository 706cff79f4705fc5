use super::*;

fn read(body: &str) -> Refusal {
    Refusal::read("X", StatusCode::BAD_REQUEST, None, body.as_bytes())
}

#[test]
fn refusals_of_every_protocol_are_read() {
    let json = read(
        r#"{"__type":"com.amazonaws.ssm#TargetNotConnected","Message":"i-0 is not connected."}"#,
    );
    assert_eq!(
        json.to_string(),
        "X was refused: TargetNotConnected: i-0 is not connected."
    );
    let query = read(
        "<ErrorResponse xmlns=\"https://sts\"><Error><Type>Sender</Type><Code>AccessDenied</Code>\
         <Message>no</Message></Error></ErrorResponse>",
    );
    assert_eq!(
        (query.code.as_str(), query.message.as_str()),
        ("AccessDenied", "no")
    );
    let messages = read("<AccessDeniedException><Message>no</Message></AccessDeniedException>");
    assert!(messages.is_denied());
    let named = Refusal::read(
        "X",
        StatusCode::FORBIDDEN,
        Some("Forbidden:http://x"),
        b"{}",
    );
    assert_eq!(
        (named.code.as_str(), named.message.as_str()),
        ("Forbidden", "Forbidden")
    );
    assert_eq!(read("<html").message, "<html");
    assert_eq!(read("").code, "400");
}

#[test]
fn a_denial_names_what_is_missing() {
    let denied = read(
        r#"{"__type":"AccessDeniedException","message":"User: arn:aws:iam::1:user/a is not authorized to perform: ssm:StartSession on resource: arn:aws:ec2:r:1:instance/i-0 because no identity-based policy allows the ssm:StartSession action"}"#,
    );
    assert_eq!(
        denied.hint().unwrap(),
        "whoever calls needs a policy that allows `ssm:StartSession` on \
         `arn:aws:ec2:r:1:instance/i-0`"
    );
}

#[test]
fn throttling_is_worth_another_try_and_a_denial_is_not() {
    let throttled = CallError::from(read(r#"{"__type":"ThrottlingException"}"#));
    assert!(throttled.may_pass());
    let denied = CallError::from(read(r#"{"__type":"AccessDeniedException"}"#));
    assert!(!denied.may_pass());
}
