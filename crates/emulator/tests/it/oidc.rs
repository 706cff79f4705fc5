//! A browser and a single-page application against the pool, step by step.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::{Value, json};

use crate::support::*;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// A browser at `http://kickytime.localhost:8000`, as the viewer door passes it on.
struct Browser<'a> {
    account: &'a Account,
    cookies: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    fn new(account: &'a Account) -> Self {
        Self {
            account,
            cookies: BTreeMap::new(),
        }
    }

    fn send(&mut self, method: &Method, path: &str, form: &[(&str, &str)]) -> Response<Bytes> {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        let request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header("host", "kickytime.auth.ap-northeast-2.amazoncognito.com")
            .header("x-forwarded-host", "kickytime.localhost:8000")
            .header("x-forwarded-proto", "http")
            .header("accept-language", "en")
            .header("cookie", cookies.join("; "));
        let request = if *method == Method::POST {
            request.header("origin", "http://kickytime.localhost:8000")
        } else {
            request
        };
        let request = request.body(Bytes::from(encoded(form))).unwrap();
        let response = self.account.emulator.handle(&request, &direct());
        for cookie in response.headers().get_all("set-cookie") {
            let text = cookie.to_str().unwrap();
            assert!(
                text.contains("HttpOnly") && text.contains("SameSite=Lax"),
                "{text}"
            );
            assert!(
                !text.contains("Domain") && !text.contains("Secure"),
                "{text}"
            );
            let (name, value) = text.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        response
    }

    fn get(&mut self, path: &str) -> Response<Bytes> {
        self.send(&Method::GET, path, &[])
    }

    /// Fills in the form of a page and sends it.
    fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Response<Bytes> {
        let page = text(&self.get(path));
        let token = page
            .split("name=\"_csrf\" value=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap()
            .to_owned();
        let mut form = vec![("_csrf", token.as_str())];
        form.extend_from_slice(fields);
        self.send(&Method::POST, path, &form)
    }
}

fn encoded(form: &[(&str, &str)]) -> String {
    let encode = |text: &str| {
        text.bytes()
            .map(|b| format!("%{b:02X}"))
            .collect::<String>()
    };
    form.iter()
        .map(|(k, v)| format!("{}={}", encode(k), encode(v)))
        .collect::<Vec<_>>()
        .join("&")
}

fn text(response: &Response<Bytes>) -> String {
    String::from_utf8(response.body().to_vec()).unwrap()
}

fn location(response: &Response<Bytes>) -> String {
    assert_eq!(response.status().as_u16(), 303, "{}", text(response));
    response.headers()["location"].to_str().unwrap().to_owned()
}

fn parameter(url: &str, name: &str) -> Option<String> {
    let query = url.split_once('?')?.1;
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix(&format!("{name}=")))
        .map(str::to_owned)
}

fn query() -> String {
    let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, VERIFIER.as_bytes()));
    encoded(&[
        ("client_id", CLIENT_ID),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "openid email profile"),
        ("state", "a b&c"),
        ("nonce", "n-1"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ])
}

fn token(account: &Account, form: &[(&str, &str)]) -> (u16, Value) {
    let request = Request::post("/oauth2/token")
        .header("host", "kickytime.auth.ap-northeast-2.amazoncognito.com")
        .header("origin", "http://localhost:8000")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from(encoded(form)))
        .unwrap();
    let response = account.emulator.handle(&request, &direct());
    assert_eq!(
        response.headers()["access-control-allow-origin"],
        "http://localhost:8000"
    );
    assert_eq!(response.headers()["cache-control"], "no-store");
    parts(&response)
}

fn redeem(account: &Account, code: &str, verifier: &str) -> (u16, Value) {
    token(
        account,
        &[
            ("grant_type", "authorization_code"),
            ("client_id", CLIENT_ID),
            ("redirect_uri", CALLBACK),
            ("code", code),
            ("code_verifier", verifier),
        ],
    )
}

fn signed_in_code(account: &Account) -> String {
    let mut browser = Browser::new(account);
    let response = browser.submit(
        &format!("/login?{}", query()),
        &[
            ("username", "admin@kickytime.example"),
            ("password", PASSWORD),
        ],
    );
    let back = location(&response);
    assert!(back.starts_with(CALLBACK), "{back}");
    assert_eq!(parameter(&back, "state").as_deref(), Some("a%20b%26c"));
    parameter(&back, "code").unwrap()
}

fn claims(token: &Value) -> Value {
    let part = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn document(account: &Account, name: &str) -> Value {
    let request = Request::get(format!("/{POOL_ID}/.well-known/{name}"))
        .header("host", "cognito-idp.ap-northeast-2.amazonaws.com")
        .body(Bytes::new())
        .unwrap();
    ok(parts(&account.emulator.handle(&request, &direct())))
}

#[test]
fn the_code_flow_from_page_to_tokens() {
    let account = Account::with(seed_with_pool());
    let mut browser = Browser::new(&account);
    let start = location(&browser.get(&format!("/oauth2/authorize?{}", query())));
    assert!(start.starts_with("/login?"), "{start}");
    let response = browser.submit(
        &start,
        &[
            ("username", " ADMIN@kickytime.example "),
            ("password", PASSWORD),
        ],
    );
    let code = parameter(&location(&response), "code").unwrap();
    let tokens = ok(redeem(&account, &code, VERIFIER));
    assert_eq!(
        (&tokens["token_type"], &tokens["expires_in"]),
        (&json!("Bearer"), &json!(3600))
    );

    let (id, access) = (claims(&tokens["id_token"]), claims(&tokens["access_token"]));
    let issuer = format!("https://cognito-idp.ap-northeast-2.amazonaws.com/{POOL_ID}");
    assert_eq!(id["iss"], issuer.as_str());
    assert_eq!(
        (&id["aud"], &id["token_use"]),
        (&json!(CLIENT_ID), &json!("id"))
    );
    assert_eq!(
        (&id["email"], &id["email_verified"]),
        (&json!("Admin@kickytime.example"), &json!(true))
    );
    assert_eq!(
        (&id["nickname"], &id["nonce"]),
        (&json!("관리자"), &json!("n-1"))
    );
    assert_eq!(id["cognito:groups"], json!(["admin"]));
    assert_eq!(
        (&access["client_id"], &access["token_use"]),
        (&json!(CLIENT_ID), &json!("access"))
    );
    assert_eq!(access["scope"], "openid email profile");
    assert_eq!(access["cognito:groups"], json!(["admin"]));
    assert_eq!(access["exp"].as_i64().unwrap(), START_MS / 1_000 + 3_600);
    assert_eq!(
        (&access["sub"], &access["username"]),
        (&id["sub"], &id["sub"])
    );
    assert!(access.get("aud").is_none() && access.get("email").is_none());

    // The session of the page gives a second code without asking again.
    let again = location(&browser.get(&format!("/oauth2/authorize?{}", query())));
    assert!(again.starts_with(CALLBACK) && parameter(&again, "code").unwrap() != code);
    account.clock.advance_seconds(3_600);
    let later = location(&browser.get(&format!("/oauth2/authorize?{}&prompt=none", query())));
    assert_eq!(
        parameter(&later, "error").as_deref(),
        Some("login_required")
    );
}

#[test]
fn tokens_verify_by_the_published_key() {
    let account = Account::with(seed_with_pool());
    let tokens = ok(redeem(&account, &signed_in_code(&account), VERIFIER));
    let configuration = document(&account, "openid-configuration");
    let jwks = configuration["jwks_uri"].as_str().unwrap();
    assert_eq!(
        jwks,
        format!(
            "{}/.well-known/jwks.json",
            configuration["issuer"].as_str().unwrap()
        )
    );
    let key = &document(&account, "jwks.json")["keys"][0];
    let field = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let public = aws_lc_rs::signature::RsaPublicKeyComponents {
        n: field("n"),
        e: field("e"),
    };
    for name in ["id_token", "access_token"] {
        let token = tokens[name].as_str().unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let header = URL_SAFE_NO_PAD
            .decode(signed.split('.').next().unwrap())
            .unwrap();
        let header: Value = serde_json::from_slice(&header).unwrap();
        assert_eq!(
            (&header["kid"], &header["alg"]),
            (&key["kid"], &json!("RS256"))
        );
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        public
            .verify(
                &aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256,
                signed.as_bytes(),
                &signature,
            )
            .unwrap();
    }
}

#[test]
fn a_code_is_good_once_for_who_asked_and_not_for_long() {
    let account = Account::with(seed_with_pool());
    let refused = |answer: (u16, Value), error: &str| {
        assert_eq!((answer.0, &answer.1["error"]), (400, &json!(error)));
    };
    let wrong_verifier = "x".repeat(43);
    let code = signed_in_code(&account);
    refused(redeem(&account, &code, &wrong_verifier), "invalid_grant");
    refused(redeem(&account, &code, VERIFIER), "invalid_grant");
    refused(
        redeem(&account, &signed_in_code(&account), "short"),
        "invalid_request",
    );
    refused(redeem(&account, "no-such-code", VERIFIER), "invalid_grant");

    let code = signed_in_code(&account);
    account.clock.advance_seconds(300);
    refused(redeem(&account, &code, VERIFIER), "invalid_grant");

    let code = signed_in_code(&account);
    refused(
        token(
            &account,
            &[
                ("grant_type", "authorization_code"),
                ("client_id", CLIENT_ID),
                ("redirect_uri", "http://localhost:8000/"),
                ("code", &code),
                ("code_verifier", VERIFIER),
            ],
        ),
        "invalid_grant",
    );
    refused(
        token(
            &account,
            &[("grant_type", "password"), ("client_id", CLIENT_ID)],
        ),
        "unsupported_grant_type",
    );
    refused(
        token(
            &account,
            &[("grant_type", "authorization_code"), ("client_id", "other")],
        ),
        "invalid_client",
    );
}

#[test]
fn a_replayed_code_revokes_what_it_gave() {
    let account = Account::with(seed_with_pool());
    let code = signed_in_code(&account);
    let tokens = ok(redeem(&account, &code, VERIFIER));
    let refresh = || {
        token(
            &account,
            &[
                ("grant_type", "refresh_token"),
                ("client_id", CLIENT_ID),
                ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
            ],
        )
    };
    let again = ok(refresh());
    assert!(again.get("refresh_token").is_none());
    let (first, second) = (
        claims(&tokens["access_token"]),
        claims(&again["access_token"]),
    );
    assert_eq!(first["origin_jti"], second["origin_jti"]);
    assert_eq!(first["auth_time"], second["auth_time"]);
    assert_ne!(first["jti"], second["jti"]);
    assert_eq!(redeem(&account, &code, VERIFIER).0, 400);
    assert_eq!(refresh().1["error"], "invalid_grant");
}

#[test]
fn a_refresh_token_ends_by_time_and_by_revocation() {
    let account = Account::with(seed_with_pool());
    let tokens = ok(redeem(&account, &signed_in_code(&account), VERIFIER));
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let post = |path: &str, form: &[(&str, &str)]| {
        let request = Request::post(path)
            .header("host", "kickytime.auth.ap-northeast-2.amazoncognito.com")
            .body(Bytes::from(encoded(form)))
            .unwrap();
        account
            .emulator
            .handle(&request, &direct())
            .status()
            .as_u16()
    };
    let use_it = || {
        post(
            "/oauth2/token",
            &[
                ("grant_type", "refresh_token"),
                ("client_id", CLIENT_ID),
                ("refresh_token", refresh),
            ],
        )
    };
    account.clock.advance_seconds(30 * 24 * 3_600 - 1);
    assert_eq!(use_it(), 200);
    assert_eq!(
        post(
            "/oauth2/revoke",
            &[("token", refresh), ("client_id", CLIENT_ID)]
        ),
        200
    );
    assert_eq!(use_it(), 400);
}

#[test]
fn what_is_not_the_clients_is_never_redirected_to() {
    let account = Account::with(seed_with_pool());
    let mut browser = Browser::new(&account);
    let challenge = "a".repeat(43);
    let mut ask = |changes: &[(&str, Option<&str>)]| {
        let mut pairs: Vec<(&str, &str)> = vec![
            ("client_id", CLIENT_ID),
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("scope", "openid"),
            ("state", "s"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in changes {
            pairs.retain(|(known, _)| known != name);
            pairs.extend(value.map(|value| (*name, value)));
        }
        browser.get(&format!("/oauth2/authorize?{}", encoded(&pairs)))
    };
    for here in [
        ("client_id", Some("other")),
        ("redirect_uri", Some("http://localhost:8000/callback/")),
        ("redirect_uri", Some("http://localhost:8000/callback?x=1")),
        ("redirect_uri", Some("http://evil.example/callback")),
        ("redirect_uri", None),
    ] {
        let response = ask(&[here]);
        assert_eq!(response.status().as_u16(), 400, "{here:?}");
        assert!(response.headers().get("location").is_none());
    }
    for (change, error) in [
        (
            ("response_type", Some("token")),
            "unsupported_response_type",
        ),
        (("code_challenge", None), "invalid_request"),
        (("code_challenge_method", Some("plain")), "invalid_request"),
        (("scope", Some("openid phone")), "invalid_scope"),
    ] {
        let back = location(&ask(&[change]));
        assert!(back.starts_with(CALLBACK), "{back}");
        assert_eq!(parameter(&back, "error").as_deref(), Some(error));
        assert_eq!(parameter(&back, "state").as_deref(), Some("s"));
    }
}

#[test]
fn a_person_signs_up_confirms_and_is_signed_in() {
    let account = Account::with(seed_with_pool());
    let mut browser = Browser::new(&account);
    let signup = format!("/signup?{}", query());
    let sign_up = |browser: &mut Browser<'_>, email: &str, password: &str| {
        browser.submit(
            &signup,
            &[
                ("username", email),
                ("nickname", "<둘리>"),
                ("password", password),
            ],
        )
    };
    for (email, password, says) in [
        ("no-address", "Str0ng-enough", "Check the email address"),
        ("new@kickytime.example", "Str0ngenough", "needs a symbol"),
        ("admin@kickytime.example", "Str0ng-enough", "already exists"),
    ] {
        let page = sign_up(&mut browser, email, password);
        assert_eq!(page.status().as_u16(), 400);
        assert!(text(&page).contains(says), "{}", text(&page));
    }
    let confirm = location(&sign_up(
        &mut browser,
        "new@kickytime.example",
        "Str0ng-enough",
    ));
    assert!(confirm.starts_with("/confirm?"), "{confirm}");

    // Signing in before the code leads to the code, and sends another.
    let mut elsewhere = Browser::new(&account);
    let login = format!("/login?{}", query());
    let to = location(&elsewhere.submit(
        &login,
        &[
            ("username", "new@kickytime.example"),
            ("password", "Str0ng-enough"),
        ],
    ));
    assert!(to.starts_with("/confirm?"), "{to}");

    let mail = account.emulator.take_messages();
    assert_eq!(mail.len(), 2);
    assert_eq!(mail[1].to, "new@kickytime.example");
    let code: String = mail[1].body.chars().filter(char::is_ascii_digit).collect();
    let wrong = if code == "000000" { "111111" } else { "000000" };
    assert_eq!(
        browser
            .submit(&confirm, &[("code", wrong)])
            .status()
            .as_u16(),
        400
    );
    let back = location(&browser.submit(&confirm, &[("code", &code)]));
    let tokens = ok(redeem(
        &account,
        &parameter(&back, "code").unwrap(),
        VERIFIER,
    ));
    let id = claims(&tokens["id_token"]);
    assert_eq!(
        (&id["nickname"], &id["email_verified"]),
        (&json!("<둘리>"), &json!(true))
    );
    assert!(id.get("cognito:groups").is_none());
    assert!(account.emulator.take_messages().is_empty());
}

#[test]
fn a_confirmation_code_has_few_tries() {
    let account = Account::with(seed_with_pool());
    let mut browser = Browser::new(&account);
    let fields = [
        ("username", "new@kickytime.example"),
        ("nickname", "n"),
        ("password", "Str0ng-enough"),
    ];
    let confirm = location(&browser.submit(&format!("/signup?{}", query()), &fields));
    let code: String = account.emulator.take_messages()[0]
        .body
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    for _ in 0..5 {
        browser.submit(&confirm, &[("code", "nothing")]);
    }
    assert_eq!(
        browser
            .submit(&confirm, &[("code", &code)])
            .status()
            .as_u16(),
        400
    );
}

#[test]
fn guessing_is_slowed_down() {
    let account = Account::with(seed_with_pool());
    let mut browser = Browser::new(&account);
    let login = format!("/login?{}", query());
    let mut attempt = |password: &str| {
        let fields = [
            ("username", "admin@kickytime.example"),
            ("password", password),
        ];
        browser.submit(&login, &fields).status().as_u16()
    };
    for _ in 0..5 {
        assert_eq!(attempt("wrong"), 401);
    }
    assert_eq!(attempt(PASSWORD), 429, "locked even for the right password");
    account.clock.advance_seconds(1);
    assert_eq!(attempt(PASSWORD), 303);
}

#[test]
fn a_form_from_elsewhere_is_refused() {
    let account = Account::with(seed_with_pool());
    let mut browser = Browser::new(&account);
    let login = format!("/login?{}", query());
    browser.get(&login);
    let fields = [
        ("username", "admin@kickytime.example"),
        ("password", PASSWORD),
    ];
    assert_eq!(
        browser
            .send(&Method::POST, &login, &fields)
            .status()
            .as_u16(),
        403,
        "no token"
    );
    let token = browser.cookies["XSRF-TOKEN"].clone();
    let request = |origin: &str| {
        let mut form = vec![("_csrf", token.as_str())];
        form.extend_from_slice(&fields);
        let request = Request::post(login.as_str())
            .header("host", "kickytime.auth.ap-northeast-2.amazoncognito.com")
            .header("cookie", format!("XSRF-TOKEN={token}"))
            .header("origin", origin)
            .body(Bytes::from(encoded(&form)))
            .unwrap();
        account
            .emulator
            .handle(&request, &direct())
            .status()
            .as_u16()
    };
    assert_eq!(request("http://evil.example"), 403);
    assert_eq!(request("null"), 403);
    assert_eq!(
        request("https://kickytime.auth.ap-northeast-2.amazoncognito.com"),
        303
    );
}

#[test]
fn pages_are_closed_to_scripts_frames_and_strangers() {
    let account = Account::with(seed_with_pool());
    let mut browser = Browser::new(&account);
    let page = browser.get(&format!("/login?{}&lang=ko", query()));
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-"),
        "{policy}"
    );
    assert!(
        policy.ends_with("form-action 'self' http://localhost:8000"),
        "{policy}"
    );
    assert_eq!(page.headers()["x-frame-options"], "DENY");
    let html = text(&page);
    assert!(
        html.contains("<html lang=\"ko\">") && html.contains("로그인"),
        "{html}"
    );
    assert!(
        !html.contains("<script") && !html.contains("https://"),
        "{html}"
    );
    let injected = browser.submit(
        &format!("/login?{}", query()),
        &[("username", "\"><script>"), ("password", "x")],
    );
    assert!(!text(&injected).contains("<script"), "{}", text(&injected));
}

#[test]
fn signing_out_ends_the_session_and_returns_only_where_allowed() {
    let account = Account::with(seed_with_pool());
    let mut browser = Browser::new(&account);
    let login = format!("/login?{}", query());
    location(&browser.submit(
        &login,
        &[
            ("username", "admin@kickytime.example"),
            ("password", PASSWORD),
        ],
    ));
    let out = |uri: &str| {
        format!(
            "/logout?{}",
            encoded(&[("client_id", CLIENT_ID), ("logout_uri", uri)])
        )
    };
    assert_eq!(
        browser.get(&out("http://evil.example/")).status().as_u16(),
        400
    );
    assert_eq!(
        location(&browser.get(&out("http://localhost:8000/"))),
        "http://localhost:8000/"
    );
    let next = location(&browser.get(&format!("/oauth2/authorize?{}", query())));
    assert!(next.starts_with("/login?"), "{next}");
}

#[test]
fn user_info_answers_good_tokens_only() {
    let account = Account::with(seed_with_pool());
    let tokens = ok(redeem(&account, &signed_in_code(&account), VERIFIER));
    let info = |token: &Value| {
        let request = Request::get("/oauth2/userInfo")
            .header("host", "kickytime.auth.ap-northeast-2.amazoncognito.com")
            .header(
                "authorization",
                format!("Bearer {}", token.as_str().unwrap()),
            )
            .body(Bytes::new())
            .unwrap();
        parts(&account.emulator.handle(&request, &direct()))
    };
    let answer = ok(info(&tokens["access_token"]));
    assert_eq!(
        (&answer["nickname"], &answer["email_verified"]),
        (&json!("관리자"), &json!("true"))
    );
    assert_eq!(info(&tokens["id_token"]).0, 401);
    account.clock.advance_seconds(3_600);
    assert_eq!(info(&tokens["access_token"]).0, 401);
}

#[test]
fn another_origin_may_not_read_the_token_endpoint() {
    let account = Account::with(seed_with_pool());
    let preflight = |origin: &str| {
        let request = Request::builder()
            .method(Method::OPTIONS)
            .uri("/oauth2/token")
            .header("host", "kickytime.auth.ap-northeast-2.amazoncognito.com")
            .header("origin", origin)
            .body(Bytes::new())
            .unwrap();
        let response = account.emulator.handle(&request, &direct());
        response
            .headers()
            .contains_key("access-control-allow-origin")
    };
    assert!(preflight("http://localhost:8000"));
    assert!(!preflight("http://evil.example"));
    assert!(!preflight("null"));
}

#[test]
fn the_api_signs_in_only_where_the_client_permits() {
    let account = Account::with(seed_with_pool());
    let call = |target: &str, input: &Value| {
        let request = Request::post("/")
            .header("host", "cognito-idp.ap-northeast-2.amazonaws.com")
            .header(
                "x-amz-target",
                format!("AWSCognitoIdentityProviderService.{target}"),
            )
            .body(Bytes::from(input.to_string()))
            .unwrap();
        parts(&account.emulator.handle(&request, &direct()))
    };
    let answer = ok(call(
        "InitiateAuth",
        &json!({
            "ClientId": CLIENT_ID, "AuthFlow": "USER_PASSWORD_AUTH",
            "AuthParameters": { "USERNAME": "admin@kickytime.example", "PASSWORD": PASSWORD }
        }),
    ));
    let result = &answer["AuthenticationResult"];
    let user = ok(call(
        "GetUser",
        &json!({ "AccessToken": result["AccessToken"] }),
    ));
    assert_eq!(
        user["UserAttributes"][1]["Value"],
        "Admin@kickytime.example"
    );
    let (code, message) = refused(call(
        "InitiateAuth",
        &json!({
            "ClientId": CLIENT_ID, "AuthFlow": "REFRESH_TOKEN_AUTH",
            "AuthParameters": { "REFRESH_TOKEN": result["RefreshToken"] }
        }),
    ));
    assert_eq!(code, "InvalidParameterException");
    assert!(message.contains("not enabled for this client"), "{message}");
    assert_eq!(
        refused(call("ListUserPools", &json!({}))).0,
        "MissingAuthenticationTokenException"
    );
    let groups = ok(account.json(
        &account.operator(),
        "AWSCognitoIdentityProviderService.AdminListGroupsForUser",
        &json!({
            "UserPoolId": POOL_ID, "Username": "admin@kickytime.example"
        }),
    ));
    assert_eq!(groups["Groups"][0]["GroupName"], "admin");
}

#[test]
fn the_pool_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let before = Account::open(seed_with_pool(), Some(directory.path())).unwrap();
    let tokens = ok(redeem(&before, &signed_in_code(&before), VERIFIER));
    let keys = document(&before, "jwks.json");
    drop(before);
    let after = Account::open(seed_with_pool(), Some(directory.path())).unwrap();
    assert_eq!(document(&after, "jwks.json"), keys);
    let again = ok(token(
        &after,
        &[
            ("grant_type", "refresh_token"),
            ("client_id", CLIENT_ID),
            ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
        ],
    ));
    assert_eq!(
        claims(&again["access_token"])["sub"],
        claims(&tokens["access_token"])["sub"]
    );
}
