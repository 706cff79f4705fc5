//! What the Query protocol's services share: numbered parameters in, nested XML out, pages.

use bytes::Bytes;
use http::Response;

use crate::error::{ApiError, ApiResult};
use crate::route::Protocol;
use crate::wire::{self, element};

/// Most members of a numbered list that are read.
const MOST_MEMBERS: usize = 1_000;

/// The parameters of one operation.
pub(crate) struct Parameters<'a>(pub(crate) &'a [(String, String)]);

impl<'a> Parameters<'a> {
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn required(&self, name: &str) -> ApiResult<&'a str> {
        self.get(name).ok_or_else(|| {
            let message = format!("The request must contain the parameter {name}");
            ApiError::client("MissingParameter", message)
        })
    }

    /// `PREFIX.1`, `PREFIX.2`, … up to the first that is not there.
    pub(crate) fn list(&self, prefix: &str) -> Vec<&'a str> {
        (1..=MOST_MEMBERS)
            .map_while(|number| self.get(&format!("{prefix}.{number}")))
            .collect()
    }

    /// Filters: `PREFIX.N.Name` with `PREFIX.N.VALUES.M`.
    pub(crate) fn filters(&self, prefix: &str, values: &str) -> Vec<(&'a str, Vec<&'a str>)> {
        (1..=MOST_MEMBERS)
            .map_while(|number| {
                let name = self.get(&format!("{prefix}.{number}.Name"))?;
                Some((name, self.list(&format!("{prefix}.{number}.{values}"))))
            })
            .collect()
    }

    /// The first parameter that is neither `known` nor a member of one of the `lists`.
    pub(crate) fn unknown(&self, known: &[&str], lists: &[&str]) -> Option<&'a str> {
        let is_known = |name: &str| {
            ["Action", "Version"].contains(&name)
                || known.contains(&name)
                || lists.iter().any(|list| {
                    name.strip_prefix(list)
                        .is_some_and(|rest| rest.starts_with('.'))
                })
        };
        self.0
            .iter()
            .map(|(name, _)| name.as_str())
            .find(|name| !is_known(name))
    }

    /// The part of `all` that is asked for, and the token of the next if there is more. A token is the
    /// number of items before it.
    pub(crate) fn page<T>(
        &self,
        all: Vec<T>,
        size: &str,
        token: &str,
        sizes: std::ops::RangeInclusive<usize>,
    ) -> ApiResult<(Vec<T>, Option<String>)> {
        let invalid = |name: &str, value: &str| {
            let message = format!("`{name}` cannot be `{value}`");
            ApiError::client("InvalidParameterValue", message)
        };
        let most = match self.get(size) {
            None => *sizes.end(),
            Some(text) => text
                .parse()
                .ok()
                .filter(|size| sizes.contains(size))
                .ok_or_else(|| invalid(size, text))?,
        };
        let from: usize = match self.get(token) {
            None | Some("") => 0,
            Some(text) => text.parse().map_err(|_| invalid(token, text))?,
        };
        let end = from.saturating_add(most);
        let next = (all.len() > end).then(|| end.to_string());
        Ok((all.into_iter().skip(from).take(most).collect(), next))
    }
}

/// XML being written.
#[derive(Default)]
pub(crate) struct Xml(String);

impl Xml {
    /// `<name>text</name>`.
    pub(crate) fn text(&mut self, name: &str, text: &str) -> &mut Self {
        element(&mut self.0, name, text);
        self
    }

    /// The same, if there is a text.
    pub(crate) fn maybe(&mut self, name: &str, text: Option<&str>) -> &mut Self {
        if let Some(text) = text {
            self.text(name, text);
        }
        self
    }

    /// `<name>…</name>`.
    pub(crate) fn within(&mut self, name: &str, inside: impl FnOnce(&mut Self)) -> &mut Self {
        self.0.push_str(&format!("<{name}>"));
        inside(self);
        self.0.push_str(&format!("</{name}>"));
        self
    }

    /// `<list><member>…</member>…</list>`.
    pub(crate) fn list<T>(
        &mut self,
        list: &str,
        member: &str,
        items: impl IntoIterator<Item = T>,
        mut each: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.within(list, |xml| {
            for item in items {
                xml.within(member, |xml| each(xml, item));
            }
        })
    }

    /// A list of texts.
    pub(crate) fn texts<'t>(
        &mut self,
        list: &str,
        member: &str,
        items: impl IntoIterator<Item = &'t str>,
    ) -> &mut Self {
        self.within(list, |xml| {
            for item in items {
                xml.text(member, item);
            }
        })
    }

    /// As the answer of an operation of a Query service.
    pub(crate) fn answer(
        &self,
        operation: &str,
        namespace: &str,
        request_id: &str,
    ) -> Response<Bytes> {
        let mut xml = Self::default();
        let opening = format!("<{operation}Response xmlns=\"{namespace}\">");
        xml.0.push_str(&opening);
        xml.within(&format!("{operation}Result"), |xml| xml.0.push_str(&self.0));
        xml.within("ResponseMetadata", |xml| {
            xml.text("RequestId", request_id);
        });
        xml.0.push_str(&format!("</{operation}Response>"));
        wire::xml(Protocol::Query, xml.0)
    }

    /// As the answer of an operation of EC2, which has no `Result` inside.
    pub(crate) fn ec2_answer(
        &self,
        operation: &str,
        namespace: &str,
        request_id: &str,
    ) -> Response<Bytes> {
        let mut xml = Self::default();
        let opening = format!("<{operation}Response xmlns=\"{namespace}\">");
        xml.0.push_str(&opening);
        xml.text("requestId", request_id);
        xml.0.push_str(&self.0);
        xml.0.push_str(&format!("</{operation}Response>"));
        wire::xml(Protocol::Ec2Query, xml.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let pairs = pairs.iter();
        pairs
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn numbered_parameters_are_lists() {
        let given = given(&[
            ("Filter.1.Name", "a"),
            ("Filter.1.Value.1", "x"),
            ("Filter.1.Value.2", "y"),
            ("Filter.2.Name", "b"),
            ("Filter.4.Name", "never"),
            ("Other.1", "z"),
        ]);
        let parameters = Parameters(&given);
        let filters = parameters.filters("Filter", "Value");
        assert_eq!(filters, [("a", vec!["x", "y"]), ("b", vec![])]);
        assert_eq!(parameters.unknown(&[], &["Filter"]), Some("Other.1"));
        assert_eq!(parameters.unknown(&[], &["Filter", "Other"]), None);
    }

    #[test]
    fn pages_go_on_where_they_ended() {
        let page = |pairs: &[(&str, &str)]| {
            let given = given(pairs);
            let all = vec![1, 2, 3];
            Parameters(&given).page(all, "Max", "Token", 2..=10)
        };
        assert_eq!(page(&[]).unwrap(), (vec![1, 2, 3], None));
        assert_eq!(
            page(&[("Max", "2")]).unwrap(),
            (vec![1, 2], Some("2".into()))
        );
        let second = page(&[("Max", "2"), ("Token", "2")]).unwrap();
        assert_eq!(second, (vec![3], None));
        assert!(page(&[("Max", "1")]).is_err() && page(&[("Token", "x")]).is_err());
    }
}
