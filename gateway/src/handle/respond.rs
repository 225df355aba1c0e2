//! An answer that is written in the file.

use crate::config::Respond;
use http::Response;
use mainstay::edge::Body;

pub(super) fn answer(said: &Respond) -> Response<Body> {
    let mut response = Response::new(Body::from(said.body.clone()));
    *response.status_mut() = said.status;
    response.headers_mut().extend(said.headers.iter().cloned());
    response
}
