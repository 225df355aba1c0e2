//! gRPC and gRPC-Web, handed on by `mainstay`'s clients. The path says what is called; the route says whether it may be.

use super::{Matched, no_upstream};
use crate::{
    config::Services,
    filter::Session,
    ingress::Target,
    refusal::Refusal,
    snapshot::{Lane, Route},
};
use http::{Request, Response, StatusCode};
use mainstay::{
    call::{Kind, Method},
    edge::{Body, Pass, pass, refuse},
};
use tokio::time::Instant;

pub(super) async fn answer(
    (route, lane): (&Route, &Lane),
    services: &[Services],
    (target, matched): (&Target, &Matched),
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let upstream = lane.upstream.as_ref().ok_or_else(no_upstream)?;
    let named = target.path.strip_prefix('/').and_then(|path| path.split_once('/'));
    let named = named.filter(|(interface, method)| {
        !method.is_empty() && !method.contains('/') && services.iter().any(|one| one.holds(interface))
    });
    let not_here = || Refusal::new(StatusCode::NOT_FOUND, "NO_ROUTE", format!("nothing is at {}", target.path));
    let (interface, name) = named.ok_or_else(not_here)?;
    // Who streams need not be known: then nothing is sent again that may have been seen.
    let method = match lane.transcoder.as_ref().and_then(|known| known.described(interface, name)) {
        Some(method) => method,
        None => Method::new(interface, name, Kind::BidiStreaming).map_err(|_| not_here())?,
    };
    let channel = match upstream.grpc.channel(interface) {
        Ok(channel) => channel,
        Err(status) => return Ok(refuse(request.headers(), status).await),
    };
    let mut options = Pass::default();
    options.timeout = Some(matched.deadline.left(Instant::now()));
    options.retries = Some(route.config.num_retries);
    options.affinity = matched.session.map(Session::key);
    if let Some(limit) = route.config.max_body {
        options.max_message = usize::try_from(limit).unwrap_or(usize::MAX);
    }
    Ok(pass(request, method, &channel, &options).await)
}
