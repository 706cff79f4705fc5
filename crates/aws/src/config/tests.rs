use super::*;

fn environment(pairs: &[(&str, &str)]) -> Environment {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn load(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::load(&environment(pairs), &Options::default())
}

const KEYS: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", "AKIA"),
    ("AWS_SECRET_ACCESS_KEY", "s"),
];

#[test]
fn calls_go_to_the_regions_endpoints_unless_told_otherwise() {
    let mut pairs = KEYS.to_vec();
    pairs.push(("AWS_REGION", "ap-northeast-2"));
    let config = load(&pairs).unwrap();
    let endpoint = config.endpoint("ssm");
    assert_eq!(
        endpoint.origin(),
        "https://ssm.ap-northeast-2.amazonaws.com"
    );
    assert_eq!(endpoint.port, 443);

    pairs.push(("AWS_ENDPOINT_URL", "http://localhost:4566/"));
    pairs.push(("AWS_ENDPOINT_URL_SECRETS_MANAGER", "https://[::1]:9/base"));
    let config = load(&pairs).unwrap();
    assert_eq!(config.endpoint("ssm").origin(), "http://localhost:4566");
    let own = config.endpoint("secretsmanager");
    assert_eq!(
        (own.host.as_str(), own.port, own.path.as_str()),
        ("::1", 9, "/base")
    );

    pairs.push(("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"));
    let config = load(&pairs).unwrap();
    assert!(config.endpoint("secretsmanager").is_tls);
}

#[test]
fn a_region_is_demanded_and_is_a_host_names_part() {
    assert!(matches!(load(&KEYS), Err(ConfigError::NoRegion)));
    let mut pairs = KEYS.to_vec();
    pairs.push(("AWS_DEFAULT_REGION", "us-east-1.evil.example/"));
    assert!(matches!(load(&pairs), Err(ConfigError::Region { .. })));
    let chosen = Options {
        region: Some("eu-west-1".to_owned()),
        ..Options::default()
    };
    let config = Config::load(&environment(&pairs), &chosen).unwrap();
    assert_eq!(config.region(), "eu-west-1");
}

#[test]
fn what_is_not_supported_is_named() {
    let mut pairs = KEYS.to_vec();
    pairs.extend([
        ("AWS_REGION", "us-east-1"),
        ("AWS_USE_FIPS_ENDPOINT", "true"),
    ]);
    let error = load(&pairs).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`AWS_USE_FIPS_ENDPOINT` is not supported"
    );
}

#[test]
fn the_shared_files_are_read_as_aws_tools_read_them() {
    let home = tempfile::tempdir().unwrap();
    let aws = home.path().join(".aws");
    std::fs::create_dir(&aws).unwrap();
    let config = "\
# settings
[default]
region = eu-west-1 # near

[profile \"work\"]
region=ap-northeast-2
services = local
s3 =
  max_concurrent_requests = 20
output = json

[services local]
ssm =
  endpoint_url = http://localhost:4566
";
    std::fs::write(aws.join("config"), config).unwrap();
    let credentials = "[work]\naws_access_key_id = AKIA\naws_secret_access_key = s#t\n";
    std::fs::write(aws.join("credentials"), credentials).unwrap();
    let home = home.path().to_str().unwrap();

    let mut pairs = vec![("HOME", home), ("AWS_PROFILE", "work")];
    let config = load(&pairs).unwrap();
    assert_eq!(config.region(), "ap-northeast-2");
    assert_eq!(config.endpoint("ssm").origin(), "http://localhost:4566");
    assert!(config.endpoint("sts").is_tls);

    // a variable for all services wins over the file's for one
    pairs.push(("AWS_ENDPOINT_URL", "http://localhost:1"));
    let config = load(&pairs).unwrap();
    assert_eq!(config.endpoint("ssm").origin(), "http://localhost:1");

    let other = Options {
        profile: Some("wrok".to_owned()),
        ..Options::default()
    };
    let error = Config::load(&environment(&pairs), &other).unwrap_err();
    assert_eq!(error.hint().unwrap(), "there are: default, work");
}

#[test]
fn a_line_that_is_no_setting_is_told_with_its_number() {
    let mut profiles = Profiles::default();
    let fault = profiles.parse("[default]\nregion\n", false).unwrap_err();
    assert_eq!(fault.0, 2);
    let fault = profiles.parse("[default\n", false).unwrap_err();
    assert_eq!(fault.0, 1);
}

#[test]
fn secrets_and_values_do_not_print() {
    let text = format!("{:?}", environment(&KEYS));
    assert!(
        !text.contains("AKIA") && text.contains("AWS_ACCESS_KEY_ID"),
        "{text}"
    );
    let mut pairs = KEYS.to_vec();
    pairs.extend([
        ("AWS_REGION", "us-east-1"),
        ("HTTPS_PROXY", "http://me:pw@proxy:3128"),
    ]);
    let text = format!("{:?}", load(&pairs).unwrap());
    assert!(!text.contains("pw") && !text.contains("AKIA"), "{text}");
}

#[test]
fn what_follows_an_address_is_a_port_or_nothing() {
    for url in [
        "http://[]-",
        "http://[::1]-",
        "http://[::1",
        "http://a:b",
        "http://a:99999",
        "http://u@a",
        "http://:80",
    ] {
        assert!(Endpoint::parse(url).is_err(), "{url}");
    }
}

proptest::proptest! {
    #[test]
    fn no_file_makes_the_reader_panic(text in "[\\[\\]a-z =#;\n\t\"é]{0,200}") {
        let _understood = Profiles::default().parse(&text, false);
        let _understood = Profiles::default().parse(&text, true);
    }

    #[test]
    fn an_address_with_a_port_is_read_as_it_is(host in "[a-z][a-z0-9.-]{0,20}|\\[::[0-9a-f]{1,4}\\]", port: u16) {
        let endpoint = Endpoint::parse(&format!("https://{host}:{port}/x/")).unwrap();
        proptest::prop_assert_eq!(&endpoint.host, host.trim_matches(['[', ']']));
        proptest::prop_assert_eq!((endpoint.port, endpoint.path.as_str()), (port, "/x"));
    }

    #[test]
    fn no_url_makes_the_reader_panic(url in "(https?://)?[a-z0-9.:@/\\[\\]é%-]{0,40}") {
        if let Ok(endpoint) = Endpoint::parse(&url) {
            proptest::prop_assert!(!endpoint.host.is_empty());
            proptest::prop_assert!(!endpoint.host.contains(['@', '[', ']']));
        }
    }
}
