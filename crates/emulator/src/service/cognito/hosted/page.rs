//! The one layout of all pages, and the headers that keep a page what it is.
//!
//! No script, no outside resource: the policy allows the one style sheet by its digest and forms to
//! ourselves and, because browsers check a form's redirects too, to the clients' own origins.

use std::fmt::Write as _;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{Response, StatusCode};

use super::text::Text;
use super::{Visit, cookie};
use crate::wire::{self, escape};

const STYLE: &str = include_str!("page.css");

/// A page with one form.
pub(super) struct Form {
    title: Text,
    action: &'static str,
    note: Option<Text>,
    fields: Vec<Field>,
    button: Option<Text>,
    second: Option<(&'static str, Text)>,
    link: Option<(Text, Text, &'static str)>,
    fault: Option<String>,
}

/// One field of a form.
pub(super) struct Field {
    name: &'static str,
    label: Text,
    kind: &'static str,
    autocomplete: &'static str,
    value: String,
    hint: Option<Text>,
}

impl Field {
    /// An e-mail address.
    pub(super) fn email(name: &'static str, value: &str) -> Self {
        Self {
            value: value.to_owned(),
            ..Self::new(name, Text::Email, "email", "username")
        }
    }

    /// A password, never filled in by us.
    pub(super) fn password(name: &'static str, autocomplete: &'static str) -> Self {
        let hint = (autocomplete == "new-password").then_some(Text::PasswordHint);
        Self {
            hint,
            ..Self::new(name, Text::Password, "password", autocomplete)
        }
    }

    /// A line of text.
    pub(super) fn text(
        name: &'static str,
        label: Text,
        value: &str,
        autocomplete: &'static str,
    ) -> Self {
        Self {
            value: value.to_owned(),
            ..Self::new(name, label, "text", autocomplete)
        }
    }

    /// A code of digits.
    pub(super) fn code(name: &'static str) -> Self {
        Self::new(
            name,
            Text::Code,
            "text\" inputmode=\"numeric",
            "one-time-code",
        )
    }

    fn new(
        name: &'static str,
        label: Text,
        kind: &'static str,
        autocomplete: &'static str,
    ) -> Self {
        Self {
            name,
            label,
            kind,
            autocomplete,
            value: String::new(),
            hint: None,
        }
    }
}

impl Form {
    pub(super) fn new(title: Text, action: &'static str) -> Self {
        Self {
            title,
            action,
            note: None,
            fields: Vec::new(),
            button: None,
            second: None,
            link: None,
            fault: None,
        }
    }

    pub(super) fn note(self, note: Text) -> Self {
        Self {
            note: Some(note),
            ..self
        }
    }

    pub(super) fn field(mut self, field: Field) -> Self {
        self.fields.push(field);
        self
    }

    pub(super) fn button(self, text: Text) -> Self {
        Self {
            button: Some(text),
            ..self
        }
    }

    /// A second, lesser form of one button.
    pub(super) fn second(self, action: &'static str, text: Text) -> Self {
        Self {
            second: Some((action, text)),
            ..self
        }
    }

    pub(super) fn link(self, lead: Text, text: Text, path: &'static str) -> Self {
        Self {
            link: Some((lead, text, path)),
            ..self
        }
    }

    pub(super) fn fault(self, fault: Option<String>) -> Self {
        Self { fault, ..self }
    }

    /// The whole page.
    pub(super) fn render(&self, visit: &Visit<'_>, status: StatusCode) -> Response<Bytes> {
        let language = visit.language;
        let token = cookie::csrf_token(visit);
        let query = escape(visit.raw_query());
        let mut html = String::new();
        let mut put = |text: &str| html.push_str(text);
        if let Some(note) = self.note {
            put(&format!("<p>{}</p>", escape(note.to(language))));
        }
        if let Some(fault) = &self.fault {
            put(&format!(
                "<p id=\"fault\" class=\"fault\" role=\"alert\">{}</p>",
                escape(fault)
            ));
        }
        put(&format!(
            "<form method=\"post\" action=\"{}?{query}\">",
            self.action
        ));
        put(&format!(
            "<input type=\"hidden\" name=\"_csrf\" value=\"{}\">",
            escape(&token)
        ));
        for field in &self.fields {
            put(&field_html(field, visit, self.fault.is_some()));
        }
        if let Some(text) = self.button {
            put(&format!(
                "<button type=\"submit\" name=\"submit\">{}</button>",
                escape(text.to(language))
            ));
        }
        put("</form>");
        if let Some((action, text)) = self.second {
            put(&format!(
                "<form method=\"post\" action=\"{action}?{query}\">\
                 <input type=\"hidden\" name=\"_csrf\" value=\"{}\">\
                 <button class=\"second\" type=\"submit\">{}</button></form>",
                escape(&token),
                escape(text.to(language)),
            ));
        }
        if let Some((lead, text, path)) = self.link {
            put(&format!(
                "<p>{} <a href=\"{path}?{query}\">{}</a></p>",
                escape(lead.to(language)),
                escape(text.to(language)),
            ));
        }
        let mut response = page(visit, status, self.title.to(language), &html);
        cookie::set_csrf(visit, &mut response, &token);
        response
    }
}

fn field_html(field: &Field, visit: &Visit<'_>, faulty: bool) -> String {
    let mut out = format!(
        "<label for=\"{name}\">{label}</label>\
         <input id=\"{name}\" name=\"{name}\" type=\"{kind}\" autocomplete=\"{auto}\" \
         value=\"{value}\" required",
        name = field.name,
        label = escape(field.label.to(visit.language)),
        kind = field.kind,
        auto = field.autocomplete,
        value = escape(&field.value),
    );
    let hint_id = format!("{}-hint", field.name);
    let mut described = Vec::new();
    if field.hint.is_some() {
        described.push(hint_id.as_str());
    }
    if faulty {
        described.push("fault");
        out.push_str(" aria-invalid=\"true\"");
    }
    if !described.is_empty() {
        write!(out, " aria-describedby=\"{}\"", described.join(" ")).expect("a String takes text");
    }
    out.push('>');
    if let Some(hint) = field.hint {
        let hint = escape(hint.to(visit.language));
        write!(out, "<p class=\"hint\" id=\"{hint_id}\">{hint}</p>").expect("a String takes text");
    }
    out
}

/// A page that says what is wrong with the request itself.
pub(super) fn fault(visit: &Visit<'_>, which: &str) -> Response<Bytes> {
    let (status, text) = match which {
        "client" => (StatusCode::BAD_REQUEST, Text::FaultClient),
        "redirect" => (StatusCode::BAD_REQUEST, Text::FaultRedirect),
        "logout" => (StatusCode::BAD_REQUEST, Text::FaultLogout),
        "long" => (StatusCode::BAD_REQUEST, Text::FaultLong),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, Text::Trouble),
    };
    let language = visit.language;
    let html = format!(
        "<p class=\"fault\" role=\"alert\">{}</p>",
        escape(text.to(language))
    );
    page(visit, status, Text::FaultTitle.to(language), &html)
}

fn page(visit: &Visit<'_>, status: StatusCode, title: &str, main: &str) -> Response<Bytes> {
    let (other, other_name) = visit.language.other();
    let query: Vec<&str> = visit
        .raw_query()
        .split('&')
        .filter(|pair| !pair.starts_with("lang=") && !pair.is_empty())
        .collect();
    let html = format!(
        "<!doctype html><html lang=\"{lang}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <title>{title} · {pool}</title><style>{STYLE}</style></head><body><main>\
         <p class=\"pool\">{pool}</p><h1>{title}</h1>{main}\
         <p class=\"language\"><a lang=\"{other}\" hreflang=\"{other}\" href=\"?lang={other}&amp;{query}\">{other_name}</a></p>\
         </main></body></html>",
        lang = visit.language.tag(),
        title = escape(title),
        pool = escape(&visit.pool.seed.name),
        other = other.tag(),
        query = escape(&query.join("&")),
    );
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    let mut response = wire::with_type(status, kind, html.into());
    let urls = visit
        .pool
        .seed
        .clients
        .iter()
        .flat_map(|client| &client.callback_urls);
    let mut origins: Vec<&str> = urls.filter_map(|url| origin_of(url)).collect();
    origins.sort_unstable();
    origins.dedup();
    protect(&mut response, &origins);
    response
}

/// The headers of every answer of the hosted domain; forms may lead to `origins`.
pub(super) fn protect(response: &mut Response<Bytes>, origins: &[&str]) {
    let digest = digest::digest(&digest::SHA256, STYLE.as_bytes());
    let mut policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; frame-ancestors 'none'; \
         form-action 'self'",
        STANDARD.encode(digest.as_ref())
    );
    for origin in origins {
        policy.push(' ');
        policy.push_str(origin);
    }
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    let fixed: [(HeaderName, &'static str); 4] = [
        (CACHE_CONTROL, "no-store"),
        // `no-referrer` would make browsers send forms with a null origin
        (REFERRER_POLICY, "same-origin"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// `scheme://host[:port]` of a URL; `None` for a custom scheme's.
pub(super) fn origin_of(url: &str) -> Option<&str> {
    let scheme = url
        .find("://")
        .filter(|at| ["http", "https"].contains(&&url[..*at]))?;
    let rest = &url[scheme + 3..];
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host = &rest[..end];
    let plain = host
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
    (plain && !host.is_empty()).then(|| &url[..scheme + 3 + end])
}
