//! `/logout`: ends the session of the hosted page ("Logout endpoint").

use bytes::Bytes;
use http::Response;

use super::{Visit, authorize, cookie, page, redirect};

/// With `logout_uri` returns there; with a whole authorization request goes to the sign-in page.
pub(super) fn handle(visit: &Visit<'_>) -> Response<Bytes> {
    let Some(client) = visit
        .query("client_id")
        .and_then(|id| visit.pool.client(id))
    else {
        return page::fault(visit, "client");
    };
    let mut response = match visit.query("logout_uri") {
        Some(uri) if client.logout_urls.iter().any(|known| known == uri) => redirect(uri),
        Some(_) => return page::fault(visit, "logout"),
        None => match authorize::read(visit) {
            Ok(_) => redirect(&format!("/login?{}", visit.raw_query())),
            Err(fault) => return authorize::refuse(visit, &fault),
        },
    };
    cookie::clear_session(visit, &mut response);
    response
}
