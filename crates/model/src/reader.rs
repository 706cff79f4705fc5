//! Reading properties so that none is forgotten.
//!
//! A [`Reader`] remembers which keys of a map were asked for; when it is
//! dropped, every other key is reported as not analysed. So a lowering file
//! cannot lose a property by not knowing it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use cfn::{Fragment, Kind, Provenance, Resource, Stack, Symbol, Value};
use serde_json::Value as Json;

use crate::{LogicalId, NotAnalysed, NotAnalysedSubject, physical};

/// The stack being lowered and what was not understood so far.
pub(crate) struct Lowering<'a> {
    pub(crate) stack: &'a Stack,
    not_analysed: RefCell<Vec<NotAnalysed>>,
}

impl<'a> Lowering<'a> {
    pub(crate) fn new(stack: &'a Stack) -> Self {
        Self {
            stack,
            not_analysed: RefCell::default(),
        }
    }

    pub(crate) fn into_not_analysed(self) -> Vec<NotAnalysed> {
        self.not_analysed.into_inner()
    }

    pub(crate) fn report(&self, subject: NotAnalysedSubject, provenance: &Provenance) {
        let provenance = provenance.clone();
        self.not_analysed.borrow_mut().push(NotAnalysed {
            subject,
            provenance,
        });
    }

    /// The resources of a type, in order of logical id.
    pub(crate) fn resources(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Resource> {
        self.stack
            .resources
            .values()
            .filter(move |resource| resource.resource_type == kind)
    }

    /// Reads a resource's properties.
    pub(crate) fn reader(&'a self, resource: &'a Resource) -> Reader<'a> {
        let mut provenance = resource.provenance.0.clone();
        provenance.logical_id = resource.logical_id.as_str().into();
        Reader::new(
            self,
            &resource.resource_type,
            &resource.properties,
            provenance,
        )
    }

    pub(crate) fn resolve(&self, symbol: &Symbol) -> Option<String> {
        physical::resolve(self.stack, symbol)
    }

    pub(crate) fn text(&self, value: &Value) -> Option<String> {
        value.render(&|symbol| self.resolve(symbol))
    }

    /// JSON of a value with stand-ins for symbols; an unknown symbol keeps its
    /// own spelling, which matches nothing but itself.
    pub(crate) fn json(&self, value: &Value) -> Json {
        match &value.kind {
            Kind::Null => Json::Null,
            Kind::Bool(flag) => Json::Bool(*flag),
            Kind::Number(text) => {
                serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.clone()))
            }
            Kind::List(items) => items.iter().map(|item| self.json(item)).collect(),
            Kind::Map(entries) => entries
                .iter()
                .map(|(key, item)| (key.clone(), self.json(item)))
                .collect(),
            Kind::String(text) => Json::String(text.clone()),
            Kind::Symbol(symbol) => Json::String(self.spell(symbol)),
            Kind::Text(fragments) => Json::String(
                fragments
                    .iter()
                    .map(|fragment| match fragment {
                        Fragment::Literal(text) => text.clone(),
                        Fragment::Symbol(symbol) => self.spell(symbol),
                    })
                    .collect(),
            ),
        }
    }

    /// A scalar's text; unknown symbols keep their own spelling.
    pub(crate) fn spelled(&self, value: &Value) -> Option<String> {
        value.render(&|symbol| Some(self.spell(symbol)))
    }

    fn spell(&self, symbol: &Symbol) -> String {
        self.resolve(symbol).unwrap_or_else(|| symbol.to_string())
    }

    /// The resource of this template that a value refers to, by `Ref`, by an
    /// attribute that stands for it, or by text that equals its physical id.
    pub(crate) fn referent(&self, value: &Value, kinds: &[&str]) -> Option<LogicalId> {
        let is_wanted = |id: &str| {
            let resource = self.stack.resources.get(id)?;
            kinds
                .contains(&resource.resource_type.as_str())
                .then(|| LogicalId::new(id))
        };
        match value.as_symbol() {
            Some(Symbol::Ref(id) | Symbol::GetAtt(id, _)) => is_wanted(id),
            Some(_) => None,
            None => {
                let text = self.text(value)?;
                let same = |resource: &&Resource| {
                    kinds.contains(&resource.resource_type.as_str())
                        && self.is_named(resource, &text)
                };
                let resource = self.stack.resources.values().find(same)?;
                Some(LogicalId::new(&resource.logical_id))
            }
        }
    }

    fn is_named(&self, resource: &Resource, text: &str) -> bool {
        let id = || resource.logical_id.clone();
        self.resolve(&Symbol::Ref(id())).as_deref() == Some(text)
            || self
                .resolve(&Symbol::GetAtt(id(), "Arn".to_owned()))
                .as_deref()
                == Some(text)
    }
}

/// A map of properties being read.
pub(crate) struct Reader<'a> {
    pub(crate) lowering: &'a Lowering<'a>,
    kind: &'a str,
    value: &'a Value,
    pub(crate) provenance: Provenance,
    seen: RefCell<BTreeSet<String>>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        lowering: &'a Lowering<'a>,
        kind: &'a str,
        value: &'a Value,
        provenance: Provenance,
    ) -> Self {
        Self {
            lowering,
            kind,
            value,
            provenance,
            seen: RefCell::default(),
        }
    }

    /// The value of a property; null counts as absent.
    pub(crate) fn value(&self, key: &str) -> Option<&'a Value> {
        self.seen.borrow_mut().insert(key.to_owned());
        self.value.get(key).filter(|value| value.kind != Kind::Null)
    }

    /// Properties understood to have no part in network, permissions or running.
    pub(crate) fn skip(&self, keys: &[&str]) {
        self.seen
            .borrow_mut()
            .extend(keys.iter().map(|key| (*key).to_owned()));
    }

    /// Reports the properties that AWS demands and that are not there, so that
    /// what cannot be modelled for want of them is not dropped in silence.
    pub(crate) fn require(&self, keys: &[&str]) {
        let is_map = matches!(self.value.kind, Kind::Map(_));
        for key in keys.iter().filter(|_| is_map) {
            if self.value(key).is_none() {
                self.lacking(key);
            }
        }
    }

    /// As [`Reader::require`], for properties of which one is enough.
    pub(crate) fn require_one_of(&self, keys: &[&str]) {
        let is_map = matches!(self.value.kind, Kind::Map(_));
        if is_map && keys.iter().all(|key| self.value(key).is_none()) {
            self.lacking(&keys.join("` or `"));
        }
    }

    /// Reports a property that may be absent, with what follows from that here.
    pub(crate) fn absent(&self, property: &str, consequence: &str) {
        let subject = NotAnalysedSubject::Value {
            property: property.to_owned(),
            reason: format!("not there: {consequence}"),
        };
        self.lowering.report(subject, &self.provenance);
    }

    fn lacking(&self, property: &str) {
        let subject = NotAnalysedSubject::Value {
            property: property.to_owned(),
            reason: "required, and not there".to_owned(),
        };
        self.lowering.report(subject, &self.provenance);
    }

    /// Text with stand-ins. A symbol nothing is known about keeps its own
    /// spelling, `${DomainName}`, so that it stays equal to itself.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        let value = self.value(key)?;
        let text = self.lowering.spelled(value);
        if text.is_none() {
            self.unusable(key, value, "not text");
        }
        text
    }

    pub(crate) fn texts(&self, key: &str) -> Vec<String> {
        let items = self.value(key).map(Value::items).unwrap_or_default();
        items
            .iter()
            .filter_map(|item| {
                let text = self.lowering.spelled(item);
                if text.is_none() {
                    self.unusable(key, item, "not text");
                }
                text
            })
            .collect()
    }

    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        self.parsed(key, "neither true nor false", |text| match text {
            text if text.eq_ignore_ascii_case("true") => Some(true),
            text if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        })
    }

    /// A whole number of any width.
    pub(crate) fn number<T: std::str::FromStr>(&self, key: &str) -> Option<T> {
        self.parsed(key, "not a number in range", |text| {
            text.trim().parse().ok()
        })
    }

    /// Text that must parse; a fault is reported with the reason.
    pub(crate) fn parsed<T>(
        &self,
        key: &str,
        reason: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(key)?;
        let parsed = parse(&text);
        if parsed.is_none()
            && let Some(value) = self.value(key)
        {
            self.unusable(key, value, &format!("`{text}` is {reason}"));
        }
        parsed
    }

    /// The resource of this template that a property refers to; one outside
    /// the template is reported.
    pub(crate) fn reference(&self, key: &str, kinds: &[&str]) -> Option<LogicalId> {
        let value = self.value(key)?;
        let found = self.lowering.referent(value, kinds);
        if found.is_none() {
            self.unusable(key, value, "refers to something outside the template");
        }
        found
    }

    pub(crate) fn references(&self, key: &str, kinds: &[&str]) -> Vec<LogicalId> {
        let items = self.value(key).map(Value::items).unwrap_or_default();
        items
            .iter()
            .filter_map(|item| {
                let found = self.lowering.referent(item, kinds);
                if found.is_none() {
                    self.unusable(key, item, "refers to something outside the template");
                }
                found
            })
            .collect()
    }

    /// A nested map.
    pub(crate) fn child(&self, key: &str) -> Option<Self> {
        self.value(key).map(|value| self.nested(key, value))
    }

    /// A list of nested maps.
    pub(crate) fn children(&self, key: &str) -> Vec<Self> {
        let items = self.value(key).map(Value::items).unwrap_or_default();
        items.iter().map(|item| self.nested(key, item)).collect()
    }

    fn nested(&self, key: &str, value: &'a Value) -> Self {
        if !matches!(value.kind, Kind::Map(_)) {
            self.unusable(key, value, "not a map");
        }
        Reader::new(self.lowering, self.kind, value, value.provenance.clone())
    }

    pub(crate) fn json(&self, key: &str) -> Option<Json> {
        self.value(key).map(|value| self.lowering.json(value))
    }

    /// `Tags` in either of its spellings, list of pairs or map.
    pub(crate) fn tags(&self, key: &str) -> BTreeMap<String, String> {
        let Some(value) = self.value(key) else {
            return BTreeMap::new();
        };
        let text = |value: &Value| self.lowering.spelled(value);
        match &value.kind {
            Kind::Map(map) => map
                .iter()
                .filter_map(|(key, item)| Some((key.clone(), text(item)?)))
                .collect(),
            _ => value
                .items()
                .iter()
                .filter_map(|tag| Some((text(tag.get("Key")?)?, text(tag.get("Value")?)?)))
                .collect(),
        }
    }

    /// The names of all keys, for maps whose keys are data.
    pub(crate) fn entries(&self) -> Vec<(&'a str, &'a Value)> {
        let entries: Vec<_> = self.value.entries().collect();
        self.seen
            .borrow_mut()
            .extend(entries.iter().map(|(key, _)| (*key).to_owned()));
        entries
    }

    pub(crate) fn unusable(&self, key: &str, value: &Value, reason: &str) {
        let subject = NotAnalysedSubject::Value {
            property: key.to_owned(),
            reason: reason.to_owned(),
        };
        self.lowering.report(subject, &value.provenance);
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let seen = self.seen.borrow();
        for (key, value) in self.value.entries().filter(|(key, _)| !seen.contains(*key)) {
            let subject = NotAnalysedSubject::Property {
                resource_type: self.kind.to_owned(),
                property: key.to_owned(),
            };
            self.lowering.report(subject, &value.provenance);
        }
    }
}
