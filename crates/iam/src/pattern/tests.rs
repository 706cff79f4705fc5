use proptest::prelude::*;

use super::*;

/// The definition, by recursion: what the fast matcher must agree with.
fn naive(pattern: &[char], text: &[char], in_segments: bool) -> bool {
    let Some((first, rest)) = pattern.split_first() else {
        return text.is_empty();
    };
    match first {
        '*' => {
            let crosses = !in_segments || rest.first().is_none_or(|next| *next == ':');
            (0..=text.len())
                .take_while(|taken| crosses || !text[..*taken].contains(&':'))
                .any(|taken| naive(rest, &text[taken..], in_segments))
        }
        '?' => {
            text.first()
                .is_some_and(|next| !in_segments || *next != ':')
                && naive(rest, &text[1..], in_segments)
        }
        _ => text.first() == Some(first) && naive(rest, &text[1..], in_segments),
    }
}

#[test]
fn a_star_keeps_to_its_segment_unless_it_ends_it() {
    let matches = |pattern: &str, arn: &str| Pattern::new(pattern, true).matches_arn(arn);
    let log = "arn:aws:logs:ap-northeast-2:111122223333:log-group:/kickytime/users:log-stream:a";
    assert!(matches("*", log));
    assert!(matches("arn:aws:logs:*", log));
    assert!(matches(
        "arn:aws:logs:ap-northeast-2:111122223333:log-group:/kickytime/users:*",
        log
    ));
    assert!(
        matches("arn:*:log-stream:a", log),
        "a star that ends its segment runs on"
    );
    assert!(!matches(
        "arn:aws:logs:ap-northeast-2:111122223333:log-group:/kicky*s",
        log
    ));
    assert!(!matches("arn:aws:logs:a*2:log-group:/kickytime/users", log));
    assert!(!matches("arn:aws:logs:ap?northeast-2?111122223333:*", log));
    assert!(matches(
        "arn:aws:s3:::web-*/assets/?.js",
        "arn:aws:s3:::web-1/a/b/assets/x.js"
    ));
    assert!(
        !matches("arn:aws:s3:::Web", "arn:aws:s3:::web"),
        "letter case counts in resources"
    );
}

#[test]
fn arn_like_compares_component_by_component() {
    let matches =
        |pattern: &str, arn: &str| Pattern::new(pattern, true).matches_arn_components(arn);
    let role = "arn:aws:iam::111122223333:role/app/UsersTaskRole";
    assert!(matches("arn:aws:iam::*:role/*", role));
    assert!(matches("arn:*:*:*:*:*", role));
    assert!(
        !matches("arn:aws:iam:*", role),
        "three components are not an ARN"
    );
    assert!(!matches("*", role));
    assert!(matches(
        "arn:aws:sns:*:1:topic:*",
        "arn:aws:sns:eu-west-1:1:topic:a:b"
    ));
    assert!(
        !matches("arn:aws:s*:1:topic", "arn:aws:sns:eu-west-1:1:topic"),
        "no star crosses a colon"
    );
}

#[test]
fn variables_are_filled_in_and_taken_literally() {
    let resolve = |key: &str| (key == "aws:principaltag/team").then(|| "a*b".to_owned());
    let matches = |pattern: &str, text: &str| {
        Pattern::new(pattern, true)
            .resolved(resolve)
            .is_some_and(|pattern| pattern.matches(text))
    };
    assert!(matches("x/${aws:PrincipalTag/team}/*", "x/a*b/y"));
    assert!(
        !matches("x/${aws:PrincipalTag/team}/*", "x/aXb/y"),
        "the value's star is a star"
    );
    assert!(
        !matches("${aws:username}*", "anything"),
        "an unresolved variable matches nothing"
    );
    assert!(matches("${aws:username, 'guest'}-*", "guest-1"));
    assert!(matches("${*}${?}${$}", "*?$"));
    assert!(!matches("${*}", "x"));
    assert!(matches("${unfinished", "${unfinished"));
    assert!(
        Pattern::new("${aws:username}", false).matches("${aws:username}"),
        "version 2008-10-17"
    );
}

proptest! {
    #[test]
    fn agrees_with_the_definition(pattern in "[ab:*?é]{0,9}", text in "[ab:é]{0,9}") {
        let chars: Vec<char> = pattern.chars().collect();
        let text_chars: Vec<char> = text.chars().collect();
        // the definition sees runs of stars as written, the compiler merges them
        let compiled = Pattern::new(&pattern, true);
        prop_assert_eq!(compiled.matches(&text), naive(&chars, &text_chars, false));
        if !pattern.contains("**") {
            prop_assert_eq!(compiled.matches_arn(&text), naive(&chars, &text_chars, true));
        }
    }

    #[test]
    fn literals_match_themselves_only(text in "\\PC{0,12}", other in "\\PC{0,12}") {
        prop_assert!(Pattern::literal(&text, false).matches(&text));
        prop_assert_eq!(Pattern::literal(&text, false).matches(&other), text == other);
    }
}

/// Two thousand stars against two thousand letters must not take two thousand squared squared.
#[test]
fn hostile_patterns_end() {
    let text = format!("{}b", "a".repeat(2000));
    for pattern in [
        "*a".repeat(500) + "c",
        "*a?:".repeat(300),
        "a*a*:".repeat(300),
    ] {
        let pattern = Pattern::new(&pattern, true);
        assert!(!pattern.matches(&text));
        assert!(!pattern.matches_arn(&text.replace("aaaa", "aaa:")));
    }
}
