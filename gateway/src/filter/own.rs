//! A filter of a user's own: one file in a program of their own, which is the gateway with it.

use http::{Request, Response};
use mainstay::{call::BoxFuture, edge::Body};
use std::{fmt, future::ready};

/// What a program of one's own does with requests that a route has taken, and with their answers.
///
/// It stands below flow control and what the route makes of a request's headers, right above the upstream. Several see a request in
/// the order in which they were added, and its answer in the other.
///
/// ```
/// use mainstay_gateway::{BoxFuture, Body, Filter};
///
/// #[derive(Debug)]
/// struct Closed;
///
/// impl Filter for Closed {
///     fn request<'a>(
///         &'a self,
///         route: &'a str,
///         _request: &'a mut http::Request<Body>,
///     ) -> BoxFuture<'a, Option<http::Response<Body>>> {
///         let closed = route == "admin";
///         Box::pin(async move {
///             closed.then(|| {
///                 let mut answer = http::Response::new(Body::from("closed"));
///                 *answer.status_mut() = http::StatusCode::FORBIDDEN;
///                 answer
///             })
///         })
///     }
/// }
/// ```
pub trait Filter: Send + Sync + fmt::Debug + 'static {
    /// Sees a request, and may change it. An answer ends it here: the upstream is not asked. Dropping the future means that the
    /// client has gone.
    fn request<'a>(&'a self, route: &'a str, request: &'a mut Request<Body>) -> BoxFuture<'a, Option<Response<Body>>> {
        let _ = (route, request);
        Box::pin(ready(None))
    }

    /// Sees an answer, and may change it; also one of the gateway's own, as an upstream that is away.
    fn response(&self, route: &str, response: &mut Response<Body>) {
        let _ = (route, response);
    }
}
