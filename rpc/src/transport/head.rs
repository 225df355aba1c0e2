//! What the head of a gRPC request says, over whichever HTTP it came, and how one is refused.

use super::grpc::{
    self, APPLICATION_GRPC, CONSUMER, GRPC_ACCEPT_ENCODING, GRPC_ENCODING, GRPC_TIMEOUT, SERVICE_GROUP, SERVICE_VERSION,
};
use crate::{
    call::{Invocation, Payload, Peer, Reason, Status},
    server::{Dispatch, Route},
};
use http::{HeaderMap, HeaderValue, Response, header::CONTENT_TYPE};
use std::sync::Arc;
use tokio::time::Instant;
use tonic::{Code, metadata::MetadataMap};

/// What the head of a request says.
pub(crate) struct Head {
    pub(crate) route: Arc<Route>,
    pub(crate) metadata: HeaderMap,
    pub(crate) deadline: Option<Instant>,
    pub(crate) version: Option<Arc<str>>,
    pub(crate) group: Option<Arc<str>>,
    pub(crate) gzip_in: bool,
    pub(crate) gzip_out: bool,
    /// Who asks reads statuses as Dubbo's Java does.
    pub(crate) dubbo: bool,
}

impl Head {
    /// Understands a head, or says what to answer; `gzip` allows compressed answers.
    pub(crate) fn read(
        dispatch: &Dispatch,
        gzip: bool,
        path: &str,
        headers: HeaderMap,
        now: Instant,
    ) -> Result<Self, Box<Response<()>>> {
        let refuse = |status| Box::new(refusal(status));
        let said = Said::of(&headers);
        let text = |value: Option<&HeaderValue>| value.and_then(|value| value.to_str().ok()).map(Arc::<str>::from);
        let (version, group) = (text(said.version), text(said.group));
        let route = dispatch.find(path, version.as_deref(), group.as_deref()).map_err(refuse)?.clone();
        let gzip_in = match said.encoding.map(HeaderValue::as_bytes) {
            None | Some(b"identity" | b"") => false,
            Some(b"gzip") => true,
            Some(other) => return Err(unknown_encoding(other)),
        };
        let deadline = match said.timeout.filter(|value| !value.is_empty()) {
            None => None,
            Some(value) => Some(grpc::parse_timeout(value).map_err(|text| refuse(bad_request(text)))?),
        };
        // A deadline further away than the clock can say is none.
        let deadline = deadline.and_then(|timeout| now.checked_add(timeout));
        let accepts = || said.accepts.and_then(|value| value.to_str().ok());
        let gzip_out = gzip && accepts().is_some_and(lists_gzip);
        let dubbo = said.consumer && grpc::is_of_dubbo(&headers);
        Ok(Self { route, deadline, version, group, gzip_in, gzip_out, dubbo, metadata: headers })
    }

    /// The call that this head and a payload make.
    pub(crate) fn invocation(self, peer: Option<Peer>, payload: Payload) -> Invocation {
        let mut call = Invocation::new(self.route.method.clone(), payload);
        call.version = self.version;
        call.group = self.group;
        call.metadata = MetadataMap::from_headers(self.metadata);
        call.deadline = self.deadline;
        call.peer = peer;
        call.gzip = self.gzip_out;
        call
    }
}

/// What a head says to the transport, by the first word on each. It is gathered in one walk, for a head is short, and most
/// of what is asked for is not there: each look that finds nothing would hash a name.
#[derive(Default)]
struct Said<'a> {
    version: Option<&'a HeaderValue>,
    group: Option<&'a HeaderValue>,
    encoding: Option<&'a HeaderValue>,
    accepts: Option<&'a HeaderValue>,
    timeout: Option<&'a HeaderValue>,
    consumer: bool,
}

impl<'a> Said<'a> {
    fn of(headers: &'a HeaderMap) -> Self {
        let mut said = Self::default();
        for (name, value) in headers {
            let word = match name {
                name if *name == GRPC_TIMEOUT => &mut said.timeout,
                name if *name == GRPC_ENCODING => &mut said.encoding,
                name if *name == GRPC_ACCEPT_ENCODING => &mut said.accepts,
                name if *name == SERVICE_VERSION => &mut said.version,
                name if *name == SERVICE_GROUP => &mut said.group,
                name => {
                    said.consumer |= *name == CONSUMER;
                    continue;
                }
            };
            word.get_or_insert(value);
        }
        said
    }
}

/// The content type is gRPC's, with messages of protobuf.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return false };
    matches!(value.as_bytes().strip_prefix(b"application/grpc"), Some([] | b"+proto" | [b';', ..]))
}

pub(crate) fn lists_gzip(value: &str) -> bool {
    value.split(',').any(|one| one.trim() == "gzip")
}

/// An answer of trailers only.
pub(crate) fn refusal(status: Status) -> Response<()> {
    let mut response = Response::new(());
    *response.headers_mut() = grpc::status_headers(status);
    response.headers_mut().insert(CONTENT_TYPE, APPLICATION_GRPC);
    response
}

fn bad_request(text: String) -> Status {
    Status::because(Reason::BadRequest, Code::InvalidArgument, text)
}

fn unknown_encoding(name: &[u8]) -> Box<Response<()>> {
    let text = format!("the encoding {} is not supported", String::from_utf8_lossy(name));
    let mut response = refusal(Status::because(Reason::UnknownEncoding, Code::Unimplemented, text));
    response.headers_mut().insert(GRPC_ACCEPT_ENCODING, HeaderValue::from_static("identity,gzip"));
    Box::new(response)
}
