use serde_json::json;

use super::*;
use crate::client::Client;
use crate::config::{Config, ConfigError, Options};
use crate::testing::{self, Server};

/// A home directory whose shared files say this.
fn home(config: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(home.path().join(".aws/sso/cache")).unwrap();
    std::fs::write(home.path().join(".aws/config"), config).unwrap();
    home
}

async fn key_of(config: &Config) -> String {
    let credentials = config.provider.credentials().await.unwrap();
    credentials.signing.access_key_id
}

fn in_an_hour() -> OffsetDateTime {
    OffsetDateTime::now_utc() + time::Duration::HOUR
}

fn refused(config: &str, profile: Option<&str>) -> CredentialsError {
    let home = home(config);
    let environment: Environment = [
        ("AWS_REGION", "us-east-1"),
        ("HOME", home.path().to_str().unwrap()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into_iter()
    .collect();
    let options = Options {
        profile: profile.map(str::to_owned),
        region: None,
    };
    match Config::load(&environment, &options).unwrap_err() {
        ConfigError::Credentials(error) => error,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_profile_on_the_command_line_wins_over_variables() {
    let home = home("[profile p]\naws_access_key_id = FILE\naws_secret_access_key = s\n");
    let pairs = [
        ("HOME", home.path().to_str().unwrap()),
        ("AWS_PROFILE", "p"),
        ("AWS_ACCESS_KEY_ID", "VARIABLE"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
    ];
    assert_eq!(key_of(&testing::config(&pairs)).await, "VARIABLE");
    let options = Options {
        profile: Some("p".to_owned()),
        region: None,
    };
    assert_eq!(key_of(&testing::load(&pairs, &options)).await, "FILE");
}

#[tokio::test]
async fn a_role_is_assumed_with_another_profiles_keys_and_renewed() {
    let server = Server::start(|_, number| {
        // good for less than the margin: every call renews
        let end = (OffsetDateTime::now_utc() + time::Duration::minutes(2))
            .format(&Rfc3339)
            .unwrap();
        let answer = format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <AssumeRoleResult><Credentials><AccessKeyId>ASIA{number}</AccessKeyId>\
             <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
             <Expiration>{end}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
        );
        (200, answer)
    })
    .await;
    let home = home(
        "[profile base]\naws_access_key_id = BASE\naws_secret_access_key = s\n\
         [profile p]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\n\
         external_id = x y\nrole_session_name = me\n",
    );
    let config = testing::config(&[
        ("HOME", home.path().to_str().unwrap()),
        ("AWS_PROFILE", "p"),
        ("AWS_ENDPOINT_URL_STS", &server.url()),
    ]);
    assert_eq!(key_of(&config).await, "ASIA0");
    let asked = server.asked();
    assert!(asked[0].headers["authorization"].contains("Credential=BASE/"));
    assert_eq!(
        asked[0].body,
        "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr\
         &RoleSessionName=me&ExternalId=x%20y"
    );
    // tried just now, and still good for two minutes: not at every call
    assert_eq!(key_of(&config).await, "ASIA0");
    config.provider.renew().await;
    assert_eq!(key_of(&config).await, "ASIA1");
}

#[tokio::test]
async fn an_instances_role_is_asked_for_with_a_token() {
    let end = in_an_hour().format(&Rfc3339).unwrap();
    let server = Server::start(move |asked, _| match (asked.method.as_str(), asked.path.as_str()) {
        ("PUT", "/latest/api/token") => (200, "TOKEN".to_owned()),
        _ if asked.headers.get("x-aws-ec2-metadata-token").map(String::as_str) != Some("TOKEN") => {
            (401, String::new())
        }
        (_, "/latest/meta-data/iam/security-credentials/") => (200, "role".to_owned()),
        (_, "/latest/meta-data/iam/security-credentials/role") => {
            let found = json!({ "AccessKeyId": "ASIA", "SecretAccessKey": "s", "Token": "t", "Expiration": end });
            (200, found.to_string())
        }
        _ => (404, String::new()),
    })
    .await;
    let url = server.url();
    let pairs = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str())];
    let config = testing::config(&pairs);
    assert_eq!(key_of(&config).await, "ASIA");
    assert_eq!(key_of(&config).await, "ASIA");
    assert_eq!(server.asked().len(), 3, "kept while they are good");
    let client = Client::new(config);
    assert_eq!(client.region(), "ap-northeast-2");
}

#[tokio::test]
async fn a_sign_in_gives_credentials_and_is_prolonged() {
    let server = Server::start(|asked, _| {
        if asked.path == "/token" {
            let token = json!({ "accessToken": "NEW", "expiresIn": 3600 });
            return (200, token.to_string());
        }
        let bearer = asked.headers["x-amz-sso_bearer_token"].clone();
        let end = (OffsetDateTime::now_utc().unix_timestamp() + 3600) * 1000;
        let found = json!({ "roleCredentials": {
            "accessKeyId": bearer, "secretAccessKey": "s", "sessionToken": "t", "expiration": end,
        }});
        (200, found.to_string())
    })
    .await;
    let home = home(
        "[profile p]\nsso_session = corp\nsso_account_id = 1\nsso_role_name = Admin Role\n\
         [sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://x\n",
    );
    // under the SHA-1 of the session's name
    let name = "ee0bfd2552fbd840c02cc48b6e823320543c450f.json";
    let cache = home.path().join(".aws/sso/cache").join(name);
    let url = server.url();
    let pairs = [
        ("HOME", home.path().to_str().unwrap()),
        ("AWS_PROFILE", "p"),
        ("AWS_ENDPOINT_URL", url.as_str()),
    ];
    let missing = testing::config(&pairs).provider.credentials().await;
    assert_eq!(
        missing.unwrap_err().hint().unwrap(),
        "run `aws sso login --profile p`"
    );

    let stored = |end: OffsetDateTime| {
        let text = json!({
            "accessToken": "OLD", "expiresAt": end.format(&Rfc3339).unwrap(),
            "clientId": "i", "clientSecret": "s", "refreshToken": "r",
        });
        std::fs::write(&cache, text.to_string()).unwrap();
    };
    stored(in_an_hour());
    assert_eq!(key_of(&testing::config(&pairs)).await, "OLD");
    let path = server.asked().last().unwrap().path.clone();
    assert_eq!(
        path,
        "/federation/credentials?role_name=Admin%20Role&account_id=1"
    );
    stored(OffsetDateTime::now_utc());
    assert_eq!(key_of(&testing::config(&pairs)).await, "NEW");
}

#[tokio::test]
async fn a_program_may_have_the_credentials() {
    let home = home(
        "[profile p]\n\
         credential_process = echo '{\"Version\": 1, \"AccessKeyId\": \"P\", \"SecretAccessKey\": \"s\"}'\n\
         [profile broken]\ncredential_process = exit 3\n",
    );
    let place = home.path().to_str().unwrap();
    let config = testing::config(&[("HOME", place), ("AWS_PROFILE", "p")]);
    assert_eq!(key_of(&config).await, "P");
    let config = testing::config(&[("HOME", place), ("AWS_PROFILE", "broken")]);
    let error = config.provider.credentials().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`credential_process` failed: exit status: 3"
    );
}

#[tokio::test]
async fn without_any_source_the_person_is_told_what_to_do() {
    let config = testing::config(&[("AWS_EC2_METADATA_DISABLED", "true")]);
    let error = config.provider.credentials().await.unwrap_err();
    assert_eq!(error.to_string(), "there are no AWS credentials");
    assert!(error.hint().unwrap().contains("aws sso login"));
}

#[test]
fn profiles_that_lead_nowhere_are_told_by_name() {
    let circle = "[profile a]\nrole_arn = r\nsource_profile = b\n\
                  [profile b]\nrole_arn = r\nsource_profile = a\n";
    let error = refused(circle, Some("a"));
    assert_eq!(
        error.to_string(),
        "the profiles lead in a circle: a -> b -> a"
    );
    let missing = "[profile a]\nrole_arn = r\nsource_profile = b\n";
    assert_eq!(
        refused(missing, Some("a")).to_string(),
        "there is no profile or section `b`"
    );
    let mfa = "[profile a]\nrole_arn = r\nsource_profile = a\nmfa_serial = m\n";
    let error = refused(mfa, Some("a"));
    assert!(
        error
            .hint()
            .unwrap()
            .contains("export-credentials --profile a")
    );
    let half = "[default]\naws_access_key_id = A\n";
    assert!(matches!(
        refused(half, None),
        CredentialsError::Incomplete { .. }
    ));
}

#[test]
fn credentials_over_plain_http_come_from_near_by_only() {
    let environment: Environment = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/x"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into_iter()
    .collect();
    let error = Config::load(&environment, &Options::default()).unwrap_err();
    assert!(error.to_string().contains("neither https"), "{error}");
}
