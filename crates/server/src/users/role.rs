//! `PUT /api/users/{id}/role`: make someone an administrator, or no longer.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use super::{Role, User, user_columns};
use crate::app::App;
use crate::caller::Admin;
use crate::input::{Body, Id};
use crate::problem::{Code, Problem};

#[derive(Deserialize)]
pub struct Change {
    role: Role,
}

/// Nobody changes their own role, so the last administrator cannot step down
/// by mistake.
pub async fn change(
    State(app): State<Arc<App>>,
    caller: Admin,
    Id(id): Id,
    Body(change): Body<Change>,
) -> Result<Json<User>, Problem> {
    if id == caller.id {
        return Err(Problem::new(
            Code::OwnRole,
            "another administrator has to change your role",
        ));
    }
    const SQL: &str = concat!(
        "UPDATE users SET role = $2, updated_at = now() WHERE id = $1 RETURNING ",
        user_columns!()
    );
    let row = app.database.row(SQL, &[&id, &change.role.word()]).await?;
    let row = row.ok_or_else(|| Problem::new(Code::NotFound, "there is no such user"))?;
    Ok(Json(User::from(&row)))
}
