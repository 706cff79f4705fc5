//! `/login`: the page to sign in with, and what happens to what is typed there.

use bytes::Bytes;
use http::{Response, StatusCode};

use super::super::pool::SignInFault;
use super::text::Text;
use super::{Visit, authorize, confirm, cookie, page};

/// Shows the page.
pub(super) fn show(visit: &Visit<'_>) -> Response<Bytes> {
    match authorize::read(visit) {
        Ok(_) => render(visit, StatusCode::OK, None),
        Err(fault) => authorize::refuse(visit, &fault),
    }
}

/// Checks address and password.
pub(super) fn submit(visit: &Visit<'_>) -> Response<Bytes> {
    let request = match authorize::read(visit) {
        Ok(request) => request,
        Err(fault) => return authorize::refuse(visit, &fault),
    };
    if !cookie::is_own_form(visit) {
        return render(visit, StatusCode::FORBIDDEN, Some(Text::StaleForm));
    }
    let (name, password) = (visit.field("username"), visit.field("password"));
    match visit.pool.sign_in(name, password, visit.now) {
        Ok(user) => {
            let mut response = authorize::grant(visit, &request, &user, visit.now.0);
            cookie::set_session(visit, &mut response, &user);
            response
        }
        Err(SignInFault::Wrong) => {
            render(visit, StatusCode::UNAUTHORIZED, Some(Text::WrongPassword))
        }
        Err(SignInFault::Locked) => {
            render(visit, StatusCode::TOO_MANY_REQUESTS, Some(Text::Locked))
        }
        Err(SignInFault::Unconfirmed) => confirm::begin(visit, &name.trim().to_lowercase()),
    }
}

fn render(visit: &Visit<'_>, status: StatusCode, fault: Option<Text>) -> Response<Bytes> {
    let name = visit.field("username");
    page::Form::new(Text::SignIn, "/login")
        .field(page::Field::email("username", name))
        .field(page::Field::password("password", "current-password"))
        .button(Text::SignIn)
        .link(Text::NoAccount, Text::SignUp, "/signup")
        .fault(fault.map(|fault| fault.to(visit.language).to_owned()))
        .render(visit, status)
}
