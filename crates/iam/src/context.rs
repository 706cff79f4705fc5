//! What is being asked, and under which circumstances?

use std::collections::BTreeMap;

use crate::Principal;

/// One action on one resource by one principal.
///
/// An API call that touches several resources is several requests.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub principal: &'a Principal,
    /// `service:Operation`, in any letter case.
    pub action: &'a str,
    /// The resource's ARN, or `*` for actions that have no resource type.
    pub resource: &'a str,
    /// The account that owns the resource; `None` means the principal's own.
    pub resource_account: Option<&'a str>,
    pub context: &'a Context,
}

impl<'a> Request<'a> {
    /// The account that owns the resource, as far as it is known.
    #[must_use]
    pub fn owner(&self) -> Option<&'a str> {
        self.resource_account.or_else(|| self.principal.account())
    }
}

/// Condition keys of a request. Names are case-insensitive.
///
/// Keys that follow from the principal (`aws:PrincipalArn`, `aws:PrincipalTag/…`)
/// are taken from the [`Principal`] whatever stands here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    keys: BTreeMap<String, Vec<String>>,
}

impl Context {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a single-valued key.
    pub fn set(&mut self, key: &str, value: impl Into<String>) -> &mut Self {
        self.keys
            .insert(key.to_ascii_lowercase(), vec![value.into()]);
        self
    }

    /// Sets a multivalued key; no values is the same as no key.
    pub fn set_all<V: Into<String>>(
        &mut self,
        key: &str,
        values: impl IntoIterator<Item = V>,
    ) -> &mut Self {
        self.keys.insert(
            key.to_ascii_lowercase(),
            values.into_iter().map(Into::into).collect(),
        );
        self
    }

    /// The same context with a single-valued key more.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.set(key, value);
        self
    }

    /// The values of a key; empty when it is absent.
    #[must_use]
    pub fn get(&self, key: &str) -> &[String] {
        if key.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return self
                .keys
                .get(&key.to_ascii_lowercase())
                .map_or(&[], Vec::as_slice);
        }
        self.keys.get(key).map_or(&[], Vec::as_slice)
    }

    /// Every key in order, lower case, with its values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.keys
            .iter()
            .map(|(key, values)| (key.as_str(), values.as_slice()))
    }
}

/// The values a condition key has in a request.
pub(crate) enum Values<'a> {
    One(&'a str),
    Many(&'a [String]),
}

impl<'a> Values<'a> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a str> {
        let (one, many) = match self {
            Self::One(value) => (Some(*value), &[][..]),
            Self::Many(values) => (None, *values),
        };
        one.into_iter().chain(many.iter().map(String::as_str))
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Many([]))
    }

    /// The value, if there is exactly one.
    pub(crate) fn single(&self) -> Option<&'a str> {
        match self {
            Self::One(value) => Some(value),
            Self::Many([value]) => Some(value),
            Self::Many(_) => None,
        }
    }
}

impl<'a> Request<'a> {
    /// What the request carries under a lower-case condition key.
    pub(crate) fn condition_values(&self, key: &str) -> Values<'a> {
        if let Some(known) = self.principal.condition_value(key) {
            return known.map_or(Values::Many(&[]), Values::One);
        }
        let given = self.context.get(key);
        if given.is_empty()
            && key == "aws:resourceaccount"
            && let Some(owner) = self.owner()
        {
            return Values::One(owner);
        }
        Values::Many(given)
    }
}
