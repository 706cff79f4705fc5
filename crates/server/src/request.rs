//! What happens around every request?
//!
//! It gets an id (the load balancer's trace id if there is one), a deadline, a
//! line in the log and a place in the metrics; a panic in it becomes a 500 and
//! ends nothing else.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::problem::{Code, Problem};

/// Longest request body, in bytes.
const LARGEST_BODY: usize = 64 * 1024;
/// A request that has no answer by then gets one.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Puts everything around a role's routes.
pub fn wrap(router: Router, app: Arc<App>) -> Router {
    router
        .fallback(|| async { Problem::new(Code::NotFound, "there is nothing here") })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                Code::MethodNotAllowed,
                "this method is not for this resource",
            )
        })
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn_with_state(app, around))
}

async fn around(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let id = request_id(request.headers());
    let method = method_label(request.method());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("none", MatchedPath::as_str)
        .to_owned();
    let in_flight = InFlight::new(Arc::clone(&app));

    let mut response = guarded(next.run(request)).await;
    drop(in_flight);

    let took = start.elapsed();
    let status = response.status().as_u16();
    app.metrics.answered(method, &route, status, took);
    if route != "/health" {
        let code = response
            .extensions()
            .get::<Code>()
            .map(|code| format!("{code:?}"));
        tracing::info!(
            request.id = %id,
            http.method = method,
            http.route = %route,
            http.status = status,
            duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            problem.code = code,
            "answered a request"
        );
    }
    finish(response.headers_mut(), &id, app.is_draining());
    response
}

/// Counts a request as in flight, also when its caller hangs up.
struct InFlight(Arc<App>);

impl InFlight {
    fn new(app: Arc<App>) -> Self {
        app.metrics.request_started();
        Self(app)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.metrics.request_ended();
    }
}

/// Runs a request under the deadline; a panic is an answer like another.
async fn guarded(response: impl Future<Output = Response>) -> Response {
    let mut response = pin!(response);
    let unwinding = std::future::poll_fn(|cx| {
        catch_unwind(AssertUnwindSafe(|| response.as_mut().poll(cx))).unwrap_or_else(|_| {
            tracing::error!("a request panicked");
            Poll::Ready(
                Problem::new(Code::Internal, "something went wrong on our side").into_response(),
            )
        })
    });
    match tokio::time::timeout(TIMEOUT, unwinding).await {
        Ok(response) => response,
        Err(_) => {
            Problem::new(Code::Timeout, "this took too long; asking again is safe").into_response()
        }
    }
}

fn finish(headers: &mut HeaderMap, id: &str, draining: bool) {
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert("x-request-id", id);
    }
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    if draining {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}

/// `Root=…` of the load balancer's trace header, or an id of our own.
fn request_id(headers: &HeaderMap) -> String {
    let trace = headers
        .get("x-amzn-trace-id")
        .and_then(|value| value.to_str().ok());
    let root = trace.and_then(|trace| {
        trace
            .split(';')
            .find_map(|part| part.trim().strip_prefix("Root="))
    });
    match root {
        Some(root)
            if root.len() <= 64 && root.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') =>
        {
            root.to_owned()
        }
        _ => own_id(),
    }
}

fn own_id() -> String {
    use std::hash::{BuildHasher, RandomState};
    static PROCESS: LazyLock<u64> =
        LazyLock::new(|| RandomState::new().hash_one(std::process::id()));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!(
        "{:016x}-{}",
        *PROCESS,
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

/// Callers may send any word as a method; the metrics know a fixed few.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_balancers_trace_root_is_the_request_id_unless_it_is_odd() {
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-amzn-trace-id", HeaderValue::from_static(value));
            request_id(&headers)
        };
        let root = "1-67891233-abcdef012345678912345678";
        assert_eq!(
            with("Self=1-1-1;Root=1-67891233-abcdef012345678912345678"),
            root
        );
        assert_ne!(with("Root=\"}{injected"), "\"}{injected");
        assert_ne!(own_id(), own_id());
    }

    #[tokio::test]
    async fn a_panic_is_a_500() {
        let response = guarded(async { panic!("boom") }).await;
        assert_eq!(response.status(), 500);
    }

    #[tokio::test(start_paused = true)]
    async fn an_endless_request_is_answered_in_time() {
        let response = guarded(std::future::pending()).await;
        assert_eq!(response.status(), 503);
    }
}
