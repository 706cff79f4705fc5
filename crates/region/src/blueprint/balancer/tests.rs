use super::*;

#[test]
fn matchers_are_codes_lists_and_ranges() {
    let codes = |text: &str| {
        text.parse::<Matcher>()
            .map(|matcher| matcher.0.into_iter().collect::<Vec<_>>())
    };
    assert_eq!(codes("200").unwrap(), [200]);
    assert_eq!(codes("200, 301").unwrap(), [200, 301]);
    assert_eq!(codes("200-203,401").unwrap(), [200, 201, 202, 203, 401]);
    for bad in ["", "500", "abc", "200-", "299-200", "0-999"] {
        assert_eq!(codes(bad).unwrap_err().text, bad);
    }
}

#[test]
fn the_policy_name_gives_the_versions() {
    assert_eq!(
        "ELBSecurityPolicy-TLS13-1-2-2021-06".parse(),
        Ok(TlsVersions::OneTwoAndThree)
    );
    assert_eq!(
        "ELBSecurityPolicy-TLS13-1-3-2021-06".parse(),
        Ok(TlsVersions::OneThree)
    );
    assert_eq!("TLSv1.2_2021".parse(), Ok(TlsVersions::OneTwoAndThree));
    let unknown = "ELBSecurityPolicy-TLS13"
        .parse::<TlsVersions>()
        .unwrap_err();
    insta::assert_snapshot!(unknown, @"`ELBSecurityPolicy-TLS13` is not a security policy of Elastic Load Balancing or CloudFront");
}
