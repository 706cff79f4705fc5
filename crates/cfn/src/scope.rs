//! What does an evaluation know, and where is it?
//!
//! The one mutable thing of an evaluation: the place in the stack that is
//! being evaluated, the truth of conditions, and what was found on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::limits::MAX_EVALUATED_BYTES;
use crate::stack::Environment;
use crate::symbol::Symbol;
use crate::template::Template;
use crate::value::{Fragment, Kind, Provenance, Span, Value};

/// The state of one evaluation.
pub(crate) struct Scope<'t> {
    pub(crate) template: &'t Template,
    pub(crate) environment: &'t Environment,
    pub(crate) parameters: BTreeMap<String, Value>,
    pub(crate) conditions: BTreeMap<String, Option<bool>>,
    /// Declared resources whose condition is false.
    pub(crate) absent: BTreeSet<&'t str>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Resources the current one refers to, with the first place.
    pub(crate) references: BTreeMap<String, Span>,
    /// Who needs whom, with the first place that says so.
    pub(crate) dependencies: BTreeMap<String, BTreeMap<String, Span>>,
    pub(crate) dynamic_references: usize,
    /// Resources that are being looked into for another one's sake.
    aside: Vec<String>,
    place: Place,
    spent_bytes: usize,
}

/// How far a look into other resources goes.
const MAX_ASIDE: usize = 8;

/// The resource and property that are being evaluated.
#[derive(Default)]
struct Place {
    logical_id: Arc<str>,
    path: String,
}

impl<'t> Scope<'t> {
    pub(crate) fn new(template: &'t Template, environment: &'t Environment) -> Self {
        Self {
            template,
            environment,
            parameters: BTreeMap::new(),
            conditions: BTreeMap::new(),
            absent: BTreeSet::new(),
            diagnostics: Vec::new(),
            references: BTreeMap::new(),
            dependencies: BTreeMap::new(),
            dynamic_references: 0,
            aside: Vec::new(),
            place: Place::default(),
            spent_bytes: 0,
        }
    }

    /// Enters a resource (or, with an empty name, leaves them all).
    pub(crate) fn enter(&mut self, logical_id: &str) {
        self.place = Place {
            logical_id: logical_id.into(),
            path: String::new(),
        };
        self.references.clear();
    }

    /// Does something one key deeper in the property path.
    pub(crate) fn at_key<T>(&mut self, key: &str, inside: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.place.path.len();
        if length > 0 {
            self.place.path.push('.');
        }
        self.place.path.push_str(key);
        let result = inside(self);
        self.place.path.truncate(length);
        result
    }

    /// Does something one list item deeper in the property path.
    pub(crate) fn at_index<T>(&mut self, index: usize, inside: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.place.path.len();
        self.place.path.push_str(&format!("[{index}]"));
        let result = inside(self);
        self.place.path.truncate(length);
        result
    }

    pub(crate) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Looks into another resource for the current one's sake: what is found
    /// there is its own affair. `None` when that goes in a circle.
    pub(crate) fn aside<T>(
        &mut self,
        logical_id: &str,
        look: impl FnOnce(&mut Self) -> T,
    ) -> Option<T> {
        if self.aside.iter().any(|id| id == logical_id) || self.aside.len() >= MAX_ASIDE {
            return None;
        }
        self.aside.push(logical_id.to_owned());
        let references = std::mem::take(&mut self.references);
        let faults = self.diagnostics.len();
        let found = look(self);
        self.diagnostics.truncate(faults);
        self.references = references;
        self.aside.pop();
        Some(found)
    }

    /// A value at the current place.
    pub(crate) fn value(&mut self, kind: Kind, span: Span) -> Value {
        let kind = if self.spend(&kind, span) {
            kind
        } else {
            Kind::Null
        };
        Value {
            kind,
            provenance: Provenance {
                logical_id: Arc::clone(&self.place.logical_id),
                path: self.place.path.as_str().into(),
                span,
            },
        }
    }

    /// An opaque value: a function of symbols.
    pub(crate) fn opaque(&mut self, name: &str, arguments: &[&Value], span: Span) -> Value {
        let arguments: Vec<String> = arguments.iter().map(|value| value.to_string()).collect();
        let text = format!("{name}({})", arguments.join(", "));
        self.value(Kind::Symbol(Symbol::Function(text)), span)
    }

    /// Text of pieces, as plain as they allow.
    pub(crate) fn text(&mut self, pieces: Vec<Fragment>, span: Span) -> Value {
        let kind = crate::dynamic_reference::resolve(self, join(pieces), span);
        self.value(kind, span)
    }

    /// The same value seen from the current place.
    pub(crate) fn moved(&mut self, value: &Value, span: Span) -> Value {
        let kind = match &value.kind {
            Kind::List(items) => Kind::List(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| self.at_index(index, |scope| scope.moved(item, span)))
                    .collect(),
            ),
            Kind::Map(map) => Kind::Map(
                map.iter()
                    .map(|(key, item)| {
                        let item = self.at_key(key, |scope| scope.moved(item, span));
                        (key.clone(), item)
                    })
                    .collect(),
            ),
            other => other.clone(),
        };
        self.value(kind, span)
    }

    /// False when the evaluation has built more than it may.
    fn spend(&mut self, kind: &Kind, span: Span) -> bool {
        let bytes = match kind {
            Kind::String(text) | Kind::Number(text) | Kind::Symbol(Symbol::Function(text)) => {
                text.len()
            }
            Kind::Text(fragments) => fragments
                .iter()
                .map(|fragment| match fragment {
                    Fragment::Literal(text) => text.len(),
                    Fragment::Symbol(_) => size_of::<Fragment>(),
                })
                .sum(),
            _ => 0,
        };
        self.charge(bytes + size_of::<Value>(), span)
    }

    /// Counts bytes about to be built; false when that is more than allowed.
    pub(crate) fn charge(&mut self, bytes: usize, span: Span) -> bool {
        let before = self.spent_bytes;
        self.spent_bytes = before.saturating_add(bytes);
        if before <= MAX_EVALUATED_BYTES && self.spent_bytes > MAX_EVALUATED_BYTES {
            let message = "the evaluated template grows too large from here on".to_owned();
            self.report(Diagnostic::error("template-limit", span, message));
        }
        self.spent_bytes <= MAX_EVALUATED_BYTES
    }

    /// True while the evaluation may go on building.
    pub(crate) fn has_room(&self) -> bool {
        self.spent_bytes <= MAX_EVALUATED_BYTES
    }
}

/// Joins neighbouring literals; the plainest kind that holds the pieces.
pub(crate) fn join(pieces: Vec<Fragment>) -> Kind {
    let mut joined: Vec<Fragment> = Vec::new();
    for piece in pieces {
        match (joined.last_mut(), piece) {
            (Some(Fragment::Literal(text)), Fragment::Literal(more)) => text.push_str(&more),
            (_, Fragment::Literal(text)) if text.is_empty() => {}
            (_, piece) => joined.push(piece),
        }
    }
    match joined.len() {
        0 => Kind::String(String::new()),
        1 => match joined.pop().expect("its length is one") {
            Fragment::Literal(text) => Kind::String(text),
            Fragment::Symbol(symbol) => Kind::Symbol(symbol),
        },
        _ => Kind::Text(joined),
    }
}

/// The pieces of a scalar; `None` for lists, maps and null.
pub(crate) fn pieces(value: &Value) -> Option<Vec<Fragment>> {
    match &value.kind {
        Kind::Symbol(symbol) => Some(vec![Fragment::Symbol(symbol.clone())]),
        Kind::Text(fragments) => Some(fragments.clone()),
        _ => value
            .as_text()
            .map(|text| vec![Fragment::Literal(text.to_owned())]),
    }
}
