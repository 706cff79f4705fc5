//! `/confirm` and `/resend`: the code that shows an address is one's own.
//!
//! Whoever is asked for a code has just shown the password (a sealed cookie says whose), so a right
//! code signs them in.

use bytes::Bytes;
use http::{Response, StatusCode};

use super::super::Message;
use super::text::Text;
use super::{Visit, authorize, cookie, page, redirect};

/// Shows the page.
pub(super) fn show(visit: &Visit<'_>) -> Response<Bytes> {
    match (authorize::read(visit), cookie::pending(visit)) {
        (Ok(_), Some(_)) => render(visit, StatusCode::OK, None),
        (Ok(_), None) => back_to_sign_in(visit),
        (Err(fault), _) => authorize::refuse(visit, &fault),
    }
}

/// Checks the code.
pub(super) fn submit(visit: &Visit<'_>) -> Response<Bytes> {
    let request = match authorize::read(visit) {
        Ok(request) => request,
        Err(fault) => return authorize::refuse(visit, &fault),
    };
    if !cookie::is_own_form(visit) {
        return render(visit, StatusCode::FORBIDDEN, Some(Text::StaleForm));
    }
    let Some(pending) = cookie::pending(visit) else {
        return back_to_sign_in(visit);
    };
    match visit
        .pool
        .confirm(&pending.sub, visit.field("code"), visit.now)
    {
        Ok(true) => match visit.pool.user(&pending.sub) {
            Some(user) => {
                let mut response = authorize::grant(visit, &request, &user, visit.now.0);
                cookie::set_session(visit, &mut response, &user);
                response
            }
            None => back_to_sign_in(visit),
        },
        Ok(false) => render(visit, StatusCode::BAD_REQUEST, Some(Text::WrongCode)),
        Err(_) => render(
            visit,
            StatusCode::INTERNAL_SERVER_ERROR,
            Some(Text::Trouble),
        ),
    }
}

/// Sends another code.
pub(super) fn resend(visit: &Visit<'_>) -> Response<Bytes> {
    if let Err(fault) = authorize::read(visit) {
        return authorize::refuse(visit, &fault);
    }
    if !cookie::is_own_form(visit) {
        return render(visit, StatusCode::FORBIDDEN, Some(Text::StaleForm));
    }
    match cookie::pending(visit) {
        Some(pending) => send_to(visit, &pending.sub),
        None => back_to_sign_in(visit),
    }
}

/// Sends a code to the unconfirmed user of this address, who has just shown the password.
pub(super) fn begin(visit: &Visit<'_>, email: &str) -> Response<Bytes> {
    let sub = {
        let state = visit.pool.lock();
        let mut users = state.kept.users.values();
        users
            .find(|user| user.email.to_lowercase() == email)
            .map(|user| user.sub.clone())
    };
    match sub {
        Some(sub) => send_to(visit, &sub),
        None => back_to_sign_in(visit),
    }
}

/// Sends a code and asks for it.
pub(super) fn send_to(visit: &Visit<'_>, sub: &str) -> Response<Bytes> {
    match visit.pool.new_confirmation(sub, visit.now) {
        Ok(Some((email, code))) => {
            visit.cognito.send(Message {
                time: visit.now,
                to: email,
                subject: Text::MailSubject.to(visit.language).to_owned(),
                body: Text::MailBody.to(visit.language).replace("{code}", &code),
            });
            let mut response = redirect(&format!("/confirm?{}", visit.raw_query()));
            cookie::set_pending(visit, &mut response, sub);
            response
        }
        Ok(None) => back_to_sign_in(visit),
        Err(_) => page::fault(visit, "trouble"),
    }
}

fn back_to_sign_in(visit: &Visit<'_>) -> Response<Bytes> {
    redirect(&format!("/login?{}", visit.raw_query()))
}

fn render(visit: &Visit<'_>, status: StatusCode, fault: Option<Text>) -> Response<Bytes> {
    page::Form::new(Text::Confirm, "/confirm")
        .note(Text::CodeWasSent)
        .field(page::Field::code("code"))
        .button(Text::Confirm)
        .second("/resend", Text::Resend)
        .fault(fault.map(|fault| fault.to(visit.language).to_owned()))
        .render(visit, status)
}
