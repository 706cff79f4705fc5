//! `/signup`: a new account, unconfirmed until the code sent to its address comes back.

use bytes::Bytes;
use http::{Response, StatusCode};

use super::super::password::PasswordFault;
use super::super::pool::SignUpFault;
use super::text::Text;
use super::{Visit, authorize, confirm, cookie, page};

/// Shows the page.
pub(super) fn show(visit: &Visit<'_>) -> Response<Bytes> {
    match authorize::read(visit) {
        Ok(_) => render(visit, StatusCode::OK, None),
        Err(fault) => authorize::refuse(visit, &fault),
    }
}

/// Makes the account and asks for the code.
pub(super) fn submit(visit: &Visit<'_>) -> Response<Bytes> {
    if let Err(fault) = authorize::read(visit) {
        return authorize::refuse(visit, &fault);
    }
    if !cookie::is_own_form(visit) {
        return render(visit, StatusCode::FORBIDDEN, Some(Text::StaleForm));
    }
    let made = visit.pool.sign_up(
        visit.field("username"),
        visit.field("nickname"),
        visit.field("password"),
        visit.now,
    );
    match made {
        Ok(Ok(user)) => confirm::send_to(visit, &user.sub),
        Ok(Err(fault)) => render(visit, StatusCode::BAD_REQUEST, Some(text_of(fault))),
        Err(_) => render(
            visit,
            StatusCode::INTERNAL_SERVER_ERROR,
            Some(Text::Trouble),
        ),
    }
}

fn text_of(fault: SignUpFault) -> Text {
    match fault {
        SignUpFault::Exists => Text::AccountExists,
        SignUpFault::Email => Text::BadEmail,
        SignUpFault::Nickname => Text::BadNickname,
        SignUpFault::Closed => Text::SignUpClosed,
        SignUpFault::Password(fault) => match fault {
            PasswordFault::TooShort => Text::PasswordShort,
            PasswordFault::TooLong => Text::PasswordLong,
            PasswordFault::Lowercase => Text::PasswordLowercase,
            PasswordFault::Uppercase => Text::PasswordUppercase,
            PasswordFault::Number => Text::PasswordNumber,
            PasswordFault::Symbol => Text::PasswordSymbol,
        },
    }
}

fn render(visit: &Visit<'_>, status: StatusCode, fault: Option<Text>) -> Response<Bytes> {
    page::Form::new(Text::SignUp, "/signup")
        .field(page::Field::email("username", visit.field("username")))
        .field(page::Field::text(
            "nickname",
            Text::Nickname,
            visit.field("nickname"),
            "nickname",
        ))
        .field(page::Field::password("password", "new-password"))
        .button(Text::SignUp)
        .link(Text::HaveAccount, Text::SignIn, "/login")
        .fault(fault.map(|fault| fault.to(visit.language).to_owned()))
        .render(visit, status)
}
