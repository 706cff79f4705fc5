//! What is there: ListBuckets, HeadBucket, GetBucketLocation, ListObjectsV2.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::header::HeaderValue;
use http::{HeaderName, Response};

use super::state::Meta;
use super::{Visit, xml};
use crate::call::{Ask, Call};
use crate::clock::Timestamp;
use crate::error::{ApiError, ApiResult};
use crate::wire::{self, element, percent_encode};

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
const PAGE: usize = 1_000;

/// `ListBuckets`.
pub(super) fn buckets(call: &Call<'_>) -> ApiResult<Response<Bytes>> {
    let arn = format!("arn:{}:s3:::*", call.emulator.seed.partition);
    call.authorize(&Ask::new("s3:ListAllMyBuckets", &arn))?;
    let mut out = format!("<ListAllMyBucketsResult xmlns=\"{NAMESPACE}\"><Owner>");
    element(&mut out, "ID", &call.emulator.seed.account);
    out.push_str("</Owner><Buckets>");
    for name in call.emulator.s3.names() {
        out.push_str("<Bucket>");
        element(&mut out, "Name", name);
        element(&mut out, "CreationDate", &Timestamp(0).iso8601_ms());
        out.push_str("</Bucket>");
    }
    out.push_str("</Buckets></ListAllMyBucketsResult>");
    Ok(xml(&out))
}

/// `HeadBucket`.
pub(super) fn head_bucket(visit: &Visit<'_>) -> ApiResult<Response<Bytes>> {
    visit.authorize_bucket("s3:ListBucket")?;
    let mut response = Response::new(Bytes::new());
    if let Ok(region) = HeaderValue::from_str(&visit.call.emulator.seed.region) {
        let name = HeaderName::from_static("x-amz-bucket-region");
        response.headers_mut().insert(name, region);
    }
    Ok(response)
}

/// `GetBucketLocation`; `us-east-1` is said by saying nothing.
pub(super) fn location(visit: &Visit<'_>) -> ApiResult<Response<Bytes>> {
    visit.authorize_bucket("s3:GetBucketLocation")?;
    let region = &visit.call.emulator.seed.region;
    let said = if region == "us-east-1" {
        String::new()
    } else {
        wire::escape(region)
    };
    Ok(xml(&format!(
        "<LocationConstraint xmlns=\"{NAMESPACE}\">{said}</LocationConstraint>"
    )))
}

/// `ListObjectsV2`: keys in order, those behind a delimiter folded into common prefixes.
pub(super) fn objects(visit: &Visit<'_>) -> ApiResult<Response<Bytes>> {
    visit.authorize_bucket("s3:ListBucket")?;
    let prefix = visit.query("prefix").unwrap_or_default();
    let delimiter = visit.query("delimiter").unwrap_or_default();
    let most = match visit.query("max-keys") {
        None => PAGE,
        Some(text) => text
            .parse::<usize>()
            .map(|most| most.min(PAGE))
            .map_err(|_| {
                ApiError::client(
                    "InvalidArgument",
                    "Provided max-keys not an integer or within integer range",
                )
            })?,
    };
    let after = visit
        .query("continuation-token")
        .or(visit.query("start-after"))
        .unwrap_or_default();
    let page = {
        let objects = visit.bucket.lock();
        page_of(objects.values(), prefix, delimiter, after, most)
    };
    Ok(xml(&render(visit, prefix, delimiter, most, &page)))
}

/// One page of a listing.
#[derive(Debug, Default)]
struct Page {
    objects: Vec<Meta>,
    prefixes: BTreeSet<String>,
    /// Where the next page goes on.
    next: Option<String>,
}

/// Takes keys greater than `after`; a common prefix counts as one entry and, as a place to go on
/// from, hides the keys it stands for.
fn page_of<'a>(
    objects: impl Iterator<Item = &'a Meta>,
    prefix: &str,
    delimiter: &str,
    after: &str,
    most: usize,
) -> Page {
    let mut page = Page::default();
    let mut last = String::new();
    for meta in objects.filter(|meta| meta.key.starts_with(prefix)) {
        let folded = fold(&meta.key, prefix, delimiter);
        let place = folded.unwrap_or(&meta.key);
        if place <= after || folded.is_some_and(|folded| page.prefixes.contains(folded)) {
            continue;
        }
        if page.objects.len() + page.prefixes.len() >= most {
            page.next = (most > 0).then_some(last);
            return page;
        }
        place.clone_into(&mut last);
        match folded {
            Some(folded) => {
                page.prefixes.insert(folded.to_owned());
            }
            None => page.objects.push(meta.clone()),
        }
    }
    page
}

/// The common prefix a key falls under.
fn fold<'a>(key: &'a str, prefix: &str, delimiter: &str) -> Option<&'a str> {
    if delimiter.is_empty() {
        return None;
    }
    let at = key[prefix.len()..].find(delimiter)?;
    Some(&key[..prefix.len() + at + delimiter.len()])
}

fn render(visit: &Visit<'_>, prefix: &str, delimiter: &str, most: usize, page: &Page) -> String {
    let as_url = visit.query("encoding-type") == Some("url");
    let encode = |text: &str| {
        if as_url {
            percent_encode(text).replace("%2F", "/")
        } else {
            text.to_owned()
        }
    };
    let mut out = format!("<ListBucketResult xmlns=\"{NAMESPACE}\">");
    element(&mut out, "Name", &visit.bucket.name);
    element(&mut out, "Prefix", &encode(prefix));
    if !delimiter.is_empty() {
        element(&mut out, "Delimiter", &encode(delimiter));
    }
    element(&mut out, "MaxKeys", &most.to_string());
    element(
        &mut out,
        "KeyCount",
        &(page.objects.len() + page.prefixes.len()).to_string(),
    );
    element(
        &mut out,
        "IsTruncated",
        if page.next.is_some() { "true" } else { "false" },
    );
    if as_url {
        element(&mut out, "EncodingType", "url");
    }
    if let Some(token) = visit.query("continuation-token") {
        element(&mut out, "ContinuationToken", token);
    }
    if let Some(start) = visit.query("start-after") {
        element(&mut out, "StartAfter", &encode(start));
    }
    if let Some(next) = &page.next {
        element(&mut out, "NextContinuationToken", next);
    }
    for meta in &page.objects {
        out.push_str("<Contents>");
        element(&mut out, "Key", &encode(&meta.key));
        element(
            &mut out,
            "LastModified",
            &Timestamp(meta.modified_ms).iso8601_ms(),
        );
        element(&mut out, "ETag", &format!("\"{}\"", meta.etag));
        element(&mut out, "Size", &meta.size.to_string());
        element(&mut out, "StorageClass", "STANDARD");
        out.push_str("</Contents>");
    }
    for folded in &page.prefixes {
        out.push_str("<CommonPrefixes>");
        element(&mut out, "Prefix", &encode(folded));
        out.push_str("</CommonPrefixes>");
    }
    out.push_str("</ListBucketResult>");
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn walk(keys: &[&str], prefix: &str, delimiter: &str, most: usize) -> Vec<String> {
        let metas: Vec<Meta> = keys
            .iter()
            .map(|key| Meta {
                key: (*key).to_owned(),
                size: 0,
                etag: String::new(),
                modified_ms: 0,
                headers: BTreeMap::new(),
            })
            .collect();
        let (mut pages, mut after) = (Vec::new(), String::new());
        loop {
            let page = page_of(metas.iter(), prefix, delimiter, &after, most);
            let keys = page.objects.iter().map(|meta| meta.key.clone());
            let entries: Vec<String> = keys.chain(page.prefixes).collect();
            pages.push(entries.join(" "));
            match page.next {
                Some(next) => after = next,
                None => return pages,
            }
        }
    }

    #[test]
    fn keys_are_folded_and_paged_without_loss_or_repetition() {
        let keys = ["a", "b/1", "b/2", "b/c/3", "d", "e/4"];
        assert_eq!(walk(&keys, "", "", 4), ["a b/1 b/2 b/c/3", "d e/4"]);
        assert_eq!(walk(&keys, "", "/", 10), ["a d b/ e/"]);
        assert_eq!(walk(&keys, "", "/", 1), ["a", "b/", "d", "e/"]);
        assert_eq!(walk(&keys, "b/", "/", 2), ["b/1 b/2", "b/c/"]);
        assert_eq!(walk(&keys, "x", "/", 2), [""]);
        assert_eq!(walk(&keys, "", "", 0), [""]);
    }
}
