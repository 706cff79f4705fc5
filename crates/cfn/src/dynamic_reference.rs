//! Which parts of a text does CloudFormation look up elsewhere?
//!
//! `{{resolve:ssm:name:version}}`, `{{resolve:ssm-secure:…}}` and
//! `{{resolve:secretsmanager:…}}`; nothing is looked up when there is white
//! space inside. Source: User Guide, "Get values stored in other services
//! using dynamic references".

use crate::diagnostic::Diagnostic;
use crate::limits::MAX_DYNAMIC_REFERENCES;
use crate::scope::{Scope, join};
use crate::suggest::did_you_mean;
use crate::symbol::Symbol;
use crate::value::{Fragment, Kind, Span};

const OPEN: &str = "{{resolve:";
const CLOSE: &str = "}}";

/// Replaces every dynamic reference in a text by its symbol.
pub(crate) fn resolve(scope: &mut Scope<'_>, kind: Kind, span: Span) -> Kind {
    match kind {
        Kind::String(text) if text.contains(OPEN) => {
            let fragments = split(scope, vec![Fragment::Literal(text)], span);
            join(fragments)
        }
        Kind::Text(fragments) if mentions(&fragments) => join(split(scope, fragments, span)),
        other => other,
    }
}

fn mentions(fragments: &[Fragment]) -> bool {
    fragments
        .iter()
        .any(|fragment| matches!(fragment, Fragment::Literal(text) if text.contains(OPEN)))
}

/// Walks the fragments; what stands between the marks becomes one symbol,
/// symbols inside it by their canonical text.
fn split(scope: &mut Scope<'_>, fragments: Vec<Fragment>, span: Span) -> Vec<Fragment> {
    let mut out = Vec::new();
    let mut open: Option<(String, Vec<Fragment>)> = None;
    for fragment in fragments {
        let Fragment::Literal(text) = fragment else {
            match &mut open {
                Some((reference, pieces)) => {
                    if let Fragment::Symbol(symbol) = &fragment {
                        reference.push_str(&symbol.to_string());
                    }
                    pieces.push(fragment);
                }
                None => out.push(fragment),
            }
            continue;
        };
        let mut rest = text.as_str();
        while !rest.is_empty() {
            if let Some((mut reference, mut pieces)) = open.take() {
                let Some(end) = rest.find(CLOSE) else {
                    reference.push_str(rest);
                    pieces.push(Fragment::Literal(rest.to_owned()));
                    open = Some((reference, pieces));
                    break;
                };
                let end = end + CLOSE.len();
                reference.push_str(&rest[..end]);
                pieces.push(Fragment::Literal(rest[..end].to_owned()));
                rest = &rest[end..];
                match symbol(scope, &reference, span) {
                    Some(symbol) => out.push(Fragment::Symbol(symbol)),
                    None => out.extend(pieces),
                }
            } else {
                let start = rest.find(OPEN).unwrap_or(rest.len());
                if start > 0 {
                    out.push(Fragment::Literal(rest[..start].to_owned()));
                }
                rest = &rest[start..];
                if let Some(after) = rest.strip_prefix(OPEN) {
                    open = Some((OPEN.to_owned(), vec![Fragment::Literal(OPEN.to_owned())]));
                    rest = after;
                }
            }
        }
    }
    out.extend(open.into_iter().flat_map(|(_, pieces)| pieces));
    out
}

/// The symbol of a whole reference, or nothing when it stays text.
fn symbol(scope: &mut Scope<'_>, reference: &str, span: Span) -> Option<Symbol> {
    let inner = reference.strip_prefix(OPEN)?.strip_suffix(CLOSE)?;
    if inner.contains(char::is_whitespace) {
        return None;
    }
    scope.dynamic_references += 1;
    if scope.dynamic_references == MAX_DYNAMIC_REFERENCES + 1 {
        let message = format!("more than {MAX_DYNAMIC_REFERENCES} dynamic references");
        scope.report(Diagnostic::error("template-limit", span, message));
    }
    let (service, name) = inner.split_once(':').unwrap_or((inner, ""));
    let symbol = match service {
        "ssm" => Symbol::SsmParameter(name.to_owned()),
        "ssm-secure" | "secretsmanager" => Symbol::Secret(reference.to_owned()),
        _ => {
            let message = format!("dynamic reference to unknown service `{service}`");
            let services = ["ssm", "ssm-secure", "secretsmanager"];
            let hint = did_you_mean(service, services);
            scope.report(Diagnostic::error("dynamic-reference", span, message).with_hint_if(hint));
            return None;
        }
    };
    if name.is_empty() {
        let message = format!("dynamic reference `{reference}` names nothing");
        scope.report(Diagnostic::error("dynamic-reference", span, message));
    }
    Some(symbol)
}
