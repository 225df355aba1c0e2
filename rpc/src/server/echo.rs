//! `$echo`: the method that Dubbo's `EchoService` calls at any service to see whether it answers.
//!
//! It is wrapped, as calls of interfaces without an IDL are: the one argument is bytes in whatever serialization the caller
//! names, and goes back as it came. So it can be answered without knowing any of them.

use super::routes::{Handler, message};
use crate::call::{BoxFuture, Cx, Frame, Payload, Reason, Reply, Status};
use tonic::Code;

/// The name of the method.
pub(super) const NAME: &str = "$echo";

/// Answers `$echo` of any service.
pub(super) struct Echo;

/// `org.apache.dubbo.triple.TripleRequestWrapper`.
#[derive(Clone, PartialEq, prost::Message)]
struct Request {
    #[prost(string, tag = "1")]
    serialize_type: String,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    args: Vec<bytes::Bytes>,
    #[prost(string, repeated, tag = "3")]
    arg_types: Vec<String>,
}

/// `org.apache.dubbo.triple.TripleResponseWrapper`.
#[derive(Clone, PartialEq, prost::Message)]
struct Response {
    #[prost(string, tag = "1")]
    serialize_type: String,
    #[prost(bytes = "bytes", tag = "2")]
    data: bytes::Bytes,
    #[prost(string, tag = "3")]
    r#type: String,
}

impl Handler for Echo {
    fn call(&self, _: Cx, payload: Payload) -> BoxFuture<'static, Result<Reply, Status>> {
        Box::pin(std::future::ready(echo(payload)))
    }
}

fn echo(payload: Payload) -> Result<Reply, Status> {
    let Request { serialize_type, args, arg_types } = message(payload)?;
    let Ok([data]) = <[_; 1]>::try_from(args) else {
        let text = "$echo takes one argument, wrapped as org.apache.dubbo.triple.TripleRequestWrapper";
        return Err(Status::because(Reason::BadRequest, Code::InvalidArgument, text));
    };
    let response = Response { serialize_type, data, r#type: arg_types.into_iter().next().unwrap_or_default() };
    Ok(Reply::new(Payload::One(Frame::encode(&response))))
}
