//! A gateway with a filter of one's own, in one file: it lets in who shows a key, and says on answers who let them in.
//!
//! ```console
//! $ cargo run -p mainstay-gateway --example own-filter -- gateway.yaml
//! ```

use http::{HeaderValue, Request, Response, StatusCode};
use mainstay_gateway::{Body, BoxFuture, Filter, Gateway};
use std::process::ExitCode;

/// Routes whose names begin with `partner-` want this key.
const KEY: &str = "open-sesame";

#[derive(Debug)]
struct PartnerKey;

impl Filter for PartnerKey {
    fn request<'a>(&'a self, route: &'a str, request: &'a mut Request<Body>) -> BoxFuture<'a, Option<Response<Body>>> {
        Box::pin(async move {
            // The key is for the gateway alone: no upstream sees it.
            let shown = request.headers_mut().remove("x-partner-key");
            if !route.starts_with("partner-") || shown.is_some_and(|key| key == KEY) {
                return None;
            }
            let mut answer = Response::new(Body::from("show your key\n"));
            *answer.status_mut() = StatusCode::UNAUTHORIZED;
            Some(answer)
        })
    }

    fn response(&self, _route: &str, response: &mut Response<Body>) {
        response.headers_mut().insert("x-let-in-by", HeaderValue::from_static("own-filter"));
    }
}

fn main() -> ExitCode {
    Gateway::builder().filter(PartnerKey).main()
}
