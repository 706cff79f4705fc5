//! What does the API look like to a program? An OpenAPI 3.1 document a role.

use axum::http::{HeaderName, header};

type Document = ([(HeaderName, &'static str); 2], &'static str);

const HEADERS: [(HeaderName, &str); 2] = [
    (header::CONTENT_TYPE, "application/json"),
    (header::CACHE_CONTROL, "public, max-age=300"),
];

pub async fn users() -> Document {
    (HEADERS, include_str!("../openapi/users.json"))
}

pub async fn matches() -> Document {
    (HEADERS, include_str!("../openapi/matches.json"))
}
