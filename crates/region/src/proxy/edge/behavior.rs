//! Which behavior takes a path, and what becomes of the path.

use http::Uri;

use crate::blueprint::distribution::{CacheBehavior, Distribution, ViewerRequestFunction};
use crate::proxy::pattern::wildcard;

/// The first behavior whose pattern fits, else the default one.
pub(super) fn of<'a>(distribution: &'a Distribution, path: &str) -> &'a CacheBehavior {
    // a pattern may leave out its slash; a second one in the path is an empty segment
    let path = without_slash(path);
    let fits = |behavior: &&CacheBehavior| wildcard(without_slash(&behavior.path_pattern), path);
    distribution
        .behaviors
        .iter()
        .find(fits)
        .unwrap_or(&distribution.default_behavior)
}

fn without_slash(path: &str) -> &[u8] {
    path.strip_prefix('/').unwrap_or(path).as_bytes()
}

/// The path (and query) asked of the origin: the function first, then the
/// default root object.
pub(super) fn rewrite(distribution: &Distribution, behavior: &CacheBehavior, uri: &Uri) -> Uri {
    let path = uri.path();
    let rewritten = match (behavior.viewer_request, &distribution.default_root_object) {
        (Some(ViewerRequestFunction::PageToIndex), _) if is_page(path) => "/index.html".to_owned(),
        (_, Some(object)) if path == "/" => format!("/{object}"),
        _ => path.to_owned(),
    };
    let query = uri
        .query()
        .map_or_else(String::new, |query| format!("?{query}"));
    format!("{rewritten}{query}")
        .parse()
        .unwrap_or_else(|_| uri.clone())
}

/// Whether the last segment has no extension.
fn is_page(path: &str) -> bool {
    !path.rsplit('/').next().unwrap_or_default().contains('.')
}
