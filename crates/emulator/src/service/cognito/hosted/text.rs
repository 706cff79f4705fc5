//! What the pages say, in Korean and English.

/// A language of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Korean,
    English,
}

impl Language {
    /// By the `lang` parameter, else by what the browser prefers, else Korean.
    pub(super) fn of(parameter: Option<&str>, accept_language: &str) -> Self {
        let known = |tag: &str| {
            let tag = tag.trim().to_ascii_lowercase();
            match tag.split(['-', '_', ';']).next() {
                Some("ko") => Some(Self::Korean),
                Some("en") => Some(Self::English),
                _ => None,
            }
        };
        // Browsers list the preferred language first; quality values only confirm the order.
        parameter
            .and_then(known)
            .or_else(|| accept_language.split(',').find_map(known))
            .unwrap_or(Self::Korean)
    }

    /// The tag for `lang`.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::Korean => "ko",
            Self::English => "en",
        }
    }

    /// The other one, with its name in itself.
    pub(super) fn other(self) -> (Self, &'static str) {
        match self {
            Self::Korean => (Self::English, "English"),
            Self::English => (Self::Korean, "한국어"),
        }
    }
}

macro_rules! texts {
    ($($name:ident: $korean:literal, $english:literal;)*) => {
        /// A text of the pages.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Text { $($name,)* }

        impl Text {
            /// The text in a language.
            pub(super) fn to(self, language: Language) -> &'static str {
                let (korean, english) = match self { $(Self::$name => ($korean, $english),)* };
                match language { Language::Korean => korean, Language::English => english }
            }
        }
    };
}

texts! {
    SignIn: "로그인", "Sign in";
    SignUp: "회원 가입", "Sign up";
    Confirm: "이메일 확인", "Confirm your email";
    Email: "이메일", "Email";
    Password: "비밀번호", "Password";
    Nickname: "닉네임", "Nickname";
    Code: "확인 코드 6자리", "Six-digit code";
    NoAccount: "계정이 없으신가요?", "No account yet?";
    HaveAccount: "이미 계정이 있으신가요?", "Already have an account?";
    Resend: "코드 다시 보내기", "Send another code";
    CodeWasSent:
        "확인 코드를 보냈습니다. 로컬 리전에서는 메일이 나가지 않으며, 코드는 kickytime을 실행한 터미널에 표시됩니다.",
        "A code was sent. A local region sends no mail: the code is shown in the terminal that runs kickytime.";
    PasswordHint:
        "8자 이상, 대문자·소문자·숫자·기호를 모두 포함하세요.",
        "At least 8 characters with upper and lower case, a digit and a symbol.";
    WrongPassword: "이메일 또는 비밀번호가 올바르지 않습니다.", "Incorrect email or password.";
    Locked: "시도가 너무 많습니다. 잠시 후 다시 시도하세요.", "Too many attempts. Try again in a moment.";
    StaleForm: "페이지가 오래되었습니다. 다시 시도하세요.", "This page was open too long. Please try again.";
    AccountExists: "이미 가입된 이메일입니다.", "An account with this email already exists.";
    BadEmail: "이메일 주소를 확인하세요.", "Check the email address.";
    BadNickname: "닉네임은 1~50자입니다.", "A nickname has 1 to 50 characters.";
    SignUpClosed: "회원 가입을 받지 않습니다.", "Sign-up is not open.";
    PasswordShort: "비밀번호가 너무 짧습니다.", "The password is too short.";
    PasswordLong: "비밀번호가 너무 깁니다.", "The password is too long.";
    PasswordLowercase: "비밀번호에 소문자가 필요합니다.", "The password needs a lower-case letter.";
    PasswordUppercase: "비밀번호에 대문자가 필요합니다.", "The password needs an upper-case letter.";
    PasswordNumber: "비밀번호에 숫자가 필요합니다.", "The password needs a digit.";
    PasswordSymbol: "비밀번호에 기호가 필요합니다.", "The password needs a symbol.";
    WrongCode: "코드가 올바르지 않거나 만료되었습니다.", "The code is wrong or has expired.";
    Trouble: "저장하지 못했습니다. 다시 시도하세요.", "It could not be saved. Please try again.";
    FaultTitle: "로그인할 수 없습니다", "Sign-in is not possible";
    FaultClient: "등록되지 않은 애플리케이션입니다 (client_id).", "This application is not registered (client_id).";
    FaultRedirect: "등록되지 않은 돌아갈 주소입니다 (redirect_uri).", "The return address is not registered (redirect_uri).";
    FaultLogout: "등록되지 않은 돌아갈 주소입니다 (logout_uri).", "The return address is not registered (logout_uri).";
    FaultLong: "요청이 너무 깁니다.", "The request is too long.";
    MailSubject: "확인 코드", "Your confirmation code";
    MailBody: "확인 코드는 {code} 입니다.", "Your confirmation code is {code}.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameter_wins_over_the_browser_and_korean_over_nothing() {
        assert_eq!(Language::of(Some("en"), "ko"), Language::English);
        assert_eq!(Language::of(None, "fr-FR,en-US;q=0.8"), Language::English);
        assert_eq!(Language::of(Some("xx"), "ko-KR"), Language::Korean);
        assert_eq!(Language::of(None, ""), Language::Korean);
    }
}
