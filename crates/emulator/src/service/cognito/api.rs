//! The pool's JSON API: signing in without a page where the client permits it, and a few look-ups.

use iam::ResourcePolicy;
use serde_json::{Value, json};

use super::pool::{API_SCOPE, Pool, SignIn, SignInFault, Tokens};
use crate::call::{Ask, Call};
use crate::error::{ApiError, ApiResult};
use crate::random;
use crate::seed::{AuthFlow, PoolClientSeed};
use crate::service::input::required;

/// `InitiateAuth`: `USER_PASSWORD_AUTH` and `REFRESH_TOKEN_AUTH`, if the client permits them.
pub(super) fn initiate_auth(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let (pool, client) = client_of(call, required(input, "ClientId")?)?;
    let parameter = |name: &str| {
        let value = input
            .pointer(&format!("/AuthParameters/{name}"))
            .and_then(Value::as_str);
        value.ok_or_else(|| invalid(format!("Missing required parameter {name}")))
    };
    match required(input, "AuthFlow")? {
        "USER_PASSWORD_AUTH" => {
            permitted(client, AuthFlow::UserPassword, "USER_PASSWORD_AUTH")?;
            let (name, password) = (parameter("USERNAME")?, parameter("PASSWORD")?);
            let user = pool
                .sign_in(name, password, call.now)
                .map_err(sign_in_refused)?;
            let sign_in = SignIn {
                sub: user.sub,
                client_id: client.id.clone(),
                scopes: vec![API_SCOPE.to_owned()],
                auth_time_ms: call.now.0,
                origin_jti: random::uuid(),
                nonce: None,
            };
            result(pool.issue(&sign_in, true, call.now))
        }
        "REFRESH_TOKEN_AUTH" | "REFRESH_TOKEN" => {
            permitted(client, AuthFlow::RefreshToken, "REFRESH_TOKEN_AUTH")?;
            let sign_in = pool
                .open_refresh(parameter("REFRESH_TOKEN")?, &client.id, call.now)
                .ok_or_else(|| not_authorized("Invalid Refresh Token"))?;
            result(pool.issue(&sign_in, false, call.now))
        }
        other => Err(ApiError::unsupported("InitiateAuth", other)),
    }
}

fn result(tokens: Option<Tokens>) -> ApiResult<Value> {
    let tokens = tokens.ok_or_else(|| not_authorized("User does not exist."))?;
    Ok(json!({
        "ChallengeParameters": {},
        "AuthenticationResult": {
            "AccessToken": tokens.access,
            "ExpiresIn": tokens.expires_in,
            "TokenType": "Bearer",
            "RefreshToken": tokens.refresh,
            "IdToken": tokens.id,
        },
    }))
}

/// `GetUser`: who an access token belongs to.
pub(super) fn get_user(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let token = required(input, "AccessToken")?;
    let pools = call.emulator.cognito.pools.values();
    let found = pools
        .filter_map(|pool| Some((pool, pool.open_access(token, call.now)?)))
        .find(|(_, claims)| {
            claims["scope"]
                .as_str()
                .is_some_and(|s| s.split(' ').any(|s| s == API_SCOPE))
        });
    let user = found.and_then(|(pool, claims)| pool.user(claims["sub"].as_str()?));
    let user = user.ok_or_else(|| not_authorized("Invalid Access Token"))?;
    let attributes = [
        ("sub", user.sub.clone()),
        ("email", user.email),
        ("email_verified", user.confirmed.to_string()),
        ("nickname", user.nickname),
    ];
    let attributes: Vec<_> = attributes
        .iter()
        .map(|(name, value)| json!({ "Name": name, "Value": value }))
        .collect();
    Ok(json!({ "Username": user.sub, "UserAttributes": attributes }))
}

/// `RevokeToken`.
pub(super) fn revoke_token(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let (pool, client) = client_of(call, required(input, "ClientId")?)?;
    let token = required(input, "Token")?;
    if let Some(sign_in) = pool.open_refresh(token, &client.id, call.now) {
        pool.revoke(&sign_in, call.now)
            .map_err(|error| ApiError::internal(&error))?;
    }
    Ok(json!({}))
}

/// `ListUserPools`.
pub(super) fn list_user_pools(call: &Call<'_>) -> ApiResult<Value> {
    call.authorize(&Ask::new("cognito-idp:ListUserPools", "*"))?;
    let pools = call.emulator.cognito.pools.values();
    let pools: Vec<_> = pools
        .map(|pool| json!({ "Id": pool.seed.id, "Name": pool.seed.name }))
        .collect();
    Ok(json!({ "UserPools": pools }))
}

/// `DescribeUserPool`.
pub(super) fn describe_user_pool(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let pool = authorized(call, "cognito-idp:DescribeUserPool", input)?;
    let users = pool.lock().kept.users.len();
    Ok(json!({
        "UserPool": {
            "Id": pool.seed.id,
            "Name": pool.seed.name,
            "Arn": pool.seed.arn,
            "Domain": pool.seed.domain,
            "UsernameAttributes": ["email"],
            "AutoVerifiedAttributes": ["email"],
            "EstimatedNumberOfUsers": users,
            "UserPoolTags": pool.seed.tags,
        }
    }))
}

/// `AdminListGroupsForUser`, by address or `sub`.
pub(super) fn admin_list_groups_for_user(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let pool = authorized(call, "cognito-idp:AdminListGroupsForUser", input)?;
    let name = required(input, "Username")?;
    let state = pool.lock();
    let user = state
        .kept
        .users
        .values()
        .find(|user| user.sub == name || user.email.eq_ignore_ascii_case(name));
    let user =
        user.ok_or_else(|| ApiError::client("UserNotFoundException", "User does not exist."))?;
    let groups: Vec<_> = pool
        .seed
        .groups
        .iter()
        .filter(|group| user.groups.contains(&group.name))
        .map(|group| {
            json!({
                "GroupName": group.name,
                "UserPoolId": pool.seed.id,
                "Description": group.description,
            })
        })
        .collect();
    Ok(json!({ "Groups": groups }))
}

fn authorized<'a>(call: &Call<'a>, action: &str, input: &Value) -> ApiResult<&'a Pool> {
    let id = required(input, "UserPoolId")?;
    let arn = call.emulator.arn("cognito-idp", &format!("userpool/{id}"));
    let pool = call.emulator.cognito.pools.get(id);
    let mut ask = Ask::new(action, &arn).policy(None::<ResourcePolicy<'_>>);
    if let Some(pool) = pool {
        ask = ask.tags(&pool.seed.tags);
    }
    call.authorize(&ask)?;
    pool.ok_or_else(|| {
        let message = format!("User pool {id} does not exist.");
        ApiError::client("ResourceNotFoundException", message)
    })
}

fn client_of<'a>(call: &Call<'a>, id: &str) -> ApiResult<(&'a Pool, &'a PoolClientSeed)> {
    let pool = call.emulator.cognito.by_client(id);
    pool.and_then(|pool| Some((pool, pool.client(id)?)))
        .ok_or_else(|| {
            let message = format!("User pool client {id} does not exist.");
            ApiError::client("ResourceNotFoundException", message)
        })
}

fn permitted(client: &PoolClientSeed, flow: AuthFlow, name: &str) -> ApiResult<()> {
    if client.auth_flows.contains(&flow) {
        return Ok(());
    }
    Err(invalid(format!("{name} flow not enabled for this client")))
}

fn sign_in_refused(fault: SignInFault) -> ApiError {
    match fault {
        SignInFault::Wrong => not_authorized("Incorrect username or password."),
        SignInFault::Locked => not_authorized("Password attempts exceeded"),
        SignInFault::Unconfirmed => {
            ApiError::client("UserNotConfirmedException", "User is not confirmed.")
        }
    }
}

fn not_authorized(message: &str) -> ApiError {
    ApiError::client("NotAuthorizedException", message)
}

fn invalid(message: String) -> ApiError {
    ApiError::client("InvalidParameterException", message)
}
