//! `POST /api/users/signin-up`: someone has signed in; make sure they have an account.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};

use super::{Role, User, user_columns};
use crate::app::App;
use crate::caller::SignedIn;
use crate::problem::{Code, Problem};
use crate::token::IdClaims;

const LONGEST_NICKNAME: usize = 30;

/// 201 with the new user, 200 with the known one. Mail address and its
/// verification follow the token each time; nickname, rank and role are the
/// account's own after the first time.
pub async fn signin_up(
    State(app): State<Arc<App>>,
    caller: SignedIn,
    headers: HeaderMap,
) -> Result<(StatusCode, Json<User>), Problem> {
    let token = headers
        .get("x-id-token")
        .and_then(|value| value.to_str().ok())
        .ok_or_else(|| {
            Problem::new(Code::Unauthorized, "the ID token is needed in `X-ID-Token`")
        })?;
    let person = app.verifier.id(token).await?;
    if person.sub != caller.sub {
        return Err(Problem::new(
            Code::Unauthorized,
            "the two tokens are of two people",
        ));
    }
    let email = person
        .email
        .as_deref()
        .filter(|email| (3..=320).contains(&email.len()))
        .ok_or_else(|| Problem::new(Code::Unauthorized, "the ID token carries no mail address"))?;
    let role = if person.is_admin() {
        Role::Admin
    } else {
        Role::User
    };

    const SQL: &str = concat!(
        "INSERT INTO users (cognito_sub, email, email_verified, nickname, role, image_url)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT ON CONSTRAINT users_cognito_sub_key DO UPDATE
             SET email = excluded.email, email_verified = excluded.email_verified,
                 updated_at = CASE WHEN (users.email, users.email_verified)
                     IS DISTINCT FROM (excluded.email, excluded.email_verified)
                     THEN now() ELSE users.updated_at END
         RETURNING ",
        user_columns!(),
        // a row no earlier transaction has touched is new
        ", xmax = 0"
    );
    let row = app
        .database
        .row(
            SQL,
            &[
                &person.sub,
                &email,
                &person.email_verified,
                &nickname(&person, email),
                &role.word(),
                &image(&person),
            ],
        )
        .await?
        .ok_or_else(|| Problem::new(Code::Internal, "something went wrong on our side"))?;
    let status = if row.get(10) {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(User::from(&row))))
}

/// The first name the person goes by that is fit to show.
fn nickname(person: &IdClaims, email: &str) -> String {
    let local_part = email.split('@').next();
    let candidates = [
        person.nickname.as_deref(),
        person.name.as_deref(),
        person.preferred_username.as_deref(),
        local_part,
    ];
    let fit = |name: &str| -> String {
        let shown = name.chars().filter(|character| !character.is_control());
        shown
            .collect::<String>()
            .trim()
            .chars()
            .take(LONGEST_NICKNAME)
            .collect::<String>()
            .trim_end()
            .to_owned()
    };
    candidates
        .into_iter()
        .flatten()
        .map(fit)
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| "player".to_owned())
}

/// The picture's address, if it is one that a page may load.
fn image(person: &IdClaims) -> Option<&str> {
    person
        .picture
        .as_deref()
        .filter(|url| url.starts_with("https://") && url.len() <= 2048)
}
