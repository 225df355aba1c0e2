//! What the head of a request says.

use super::Shared;
use crate::{
    call::{Method, Reason, Status},
    transport::grpc::{
        APPLICATION_GRPC, CONSUMER, GRPC_ACCEPT_ENCODING, GRPC_ENCODING, GRPC_TIMEOUT, SERVICE_GROUP, SERVICE_VERSION,
    },
};
use http::{
    HeaderValue, Request, Uri,
    header::{CONTENT_TYPE, TE, USER_AGENT},
};
use std::{sync::Arc, time::Duration};
use tonic::{Code, metadata::MetadataMap};

impl Shared {
    pub(super) fn head(
        &self,
        method: &Method,
        metadata: MetadataMap,
        left: Option<Duration>,
        gzip: bool,
        version: Option<Arc<str>>,
        group: Option<Arc<str>>,
    ) -> Result<Request<()>, Status> {
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(self.scheme.clone());
        uri.authority = Some(self.authority.clone());
        uri.path_and_query = Some(method.path().clone());
        let local = |text: String| Status::because(Reason::BadRequest, Code::Internal, text).not_reached();
        let mut request = Request::new(());
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = Uri::from_parts(uri).map_err(|error| local(format!("no URI: {error}")))?;
        let mut headers = metadata.into_headers();
        // Six are what mostly stands in a head, and what one size of such a table holds; the next is twice as large.
        headers.reserve(6);
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONTENT_TYPE, APPLICATION_GRPC);
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("mainstay/", env!("CARGO_PKG_VERSION"))));
        if let Some(consumer) = &self.consumer {
            headers.insert(CONSUMER, consumer.clone());
        }
        if let Some(left) = left {
            headers.insert(GRPC_TIMEOUT, self.timeouts.format(left));
        }
        if gzip {
            headers.insert(GRPC_ENCODING, HeaderValue::from_static("gzip"));
            headers.insert(GRPC_ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        for (name, value) in [(SERVICE_VERSION, version), (SERVICE_GROUP, group)] {
            let Some(value) = value else { continue };
            let value =
                HeaderValue::from_str(&value).map_err(|_| local(format!("{name} {value:?} is no header value")))?;
            headers.insert(name, value);
        }
        *request.headers_mut() = headers;
        Ok(request)
    }
}
