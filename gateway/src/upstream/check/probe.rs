//! One question to one endpoint.

use super::super::wire::Wire;
use crate::config::{Ask, CheckConfig};
use http::{HeaderValue, Request, header};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use mainstay::{
    call::{Channel, Code, Frame, Invocation, Kind, Method, Payload},
    client::connect_channel,
    transport::{Connect, Target},
};
use std::{io, sync::Arc};
use tokio::time::{Instant, timeout};

/// `SERVING`, of `grpc.health.v1`.
const SERVING: i32 = 1;

/// What asks one endpoint, again and again.
#[derive(Debug)]
pub(super) struct Probe {
    target: Target,
    config: CheckConfig,
    how: How,
}

#[derive(Debug)]
enum How {
    Tcp(Arc<dyn Connect>),
    Http(Arc<dyn Connect>, String),
    Grpc(Channel, Frame),
}

#[derive(Clone, PartialEq, prost::Message)]
struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

impl Probe {
    /// # Errors
    /// In words, when no client can be made for it.
    pub(super) fn new(target: Target, config: &CheckConfig, wire: &Wire) -> Result<Self, String> {
        let how = match &config.ask {
            Ask::Tcp => How::Tcp(wire.http1.clone()),
            Ask::Http(path) => How::Http(wire.http1.clone(), path.clone()),
            Ask::Grpc(service) => {
                let mut connect = connect_channel("grpc.health.v1.Health", "").address(target.to_string());
                connect = connect.connections(1..=1).connect_timeout(config.timeout);
                if let Some(tls) = wire.tls.clone() {
                    connect = connect.tls(tls);
                }
                let request = HealthCheckRequest { service: service.clone() };
                How::Grpc(connect.build().map_err(|error| error.to_string())?, Frame::encode(&request))
            }
        };
        Ok(Self { target, config: config.clone(), how })
    }

    /// Asks once.
    ///
    /// # Errors
    /// Why it is not well, in words.
    pub(super) async fn ask(&self) -> Result<(), String> {
        let within = self.config.timeout;
        let late = |_| Err(format!("no answer within {within:?}"));
        match &self.how {
            How::Tcp(connect) => {
                let connected = timeout(within, connect.connect(&self.target)).await;
                connected.map_or_else(late, |connected| connected.map(drop).map_err(|error| error.to_string()))
            }
            How::Http(connect, path) => {
                let answered = timeout(within, self.http(connect, path)).await;
                answered.unwrap_or_else(late)
            }
            How::Grpc(channel, frame) => {
                let answered = timeout(within, check(channel, frame.clone(), Instant::now() + within)).await;
                answered.unwrap_or_else(late)
            }
        }
    }

    async fn http(&self, connect: &Arc<dyn Connect>, path: &str) -> Result<(), String> {
        let io = connect.connect(&self.target).await.map_err(|error| error.to_string())?;
        let (mut send, connection) = hyper::client::conn::http1::handshake(TokioIo::new(io)).await.map_err(text)?;
        let host = HeaderValue::try_from(self.target.to_string()).map_err(|error| error.to_string())?;
        let request = Request::get(path).header(header::HOST, host).header(header::CONNECTION, "close");
        let request = request.header(header::USER_AGENT, "mainstay-gateway");
        let request = request.body(Empty::<bytes::Bytes>::new()).map_err(|error| error.to_string())?;
        let (mut connection, mut answer) = (std::pin::pin!(connection), std::pin::pin!(send.send_request(request)));
        let answered = tokio::select! {
            answered = answer.as_mut() => answered,
            // It may have ended with the answer's head.
            _ = connection.as_mut() => answer.await,
        };
        let status = answered.map_err(text)?.status();
        status.is_success().then_some(()).ok_or_else(|| format!("it answered {status}"))
    }
}

/// Asks for the health of a server of gRPC.
async fn check(channel: &Channel, request: Frame, deadline: Instant) -> Result<(), String> {
    let method = Method::new("grpc.health.v1.Health", "Check", Kind::Unary).map_err(|error| error.to_string())?;
    let mut call = Invocation::new(method, Payload::One(request));
    (call.deadline, call.retries) = (Some(deadline), Some(0));
    match channel.invoke(call).await {
        Ok(reply) => match reply.payload {
            Payload::One(frame) => match frame.decode::<HealthCheckResponse>() {
                Ok(HealthCheckResponse { status: SERVING }) => Ok(()),
                Ok(HealthCheckResponse { status }) => Err(format!("it is not serving (status {status})")),
                Err(error) => Err(error.to_string()),
            },
            Payload::Stream(_) => Err("a stream answered".to_owned()),
        },
        Err(status) if status.code() == Code::Unimplemented => Err("it has no grpc.health.v1".to_owned()),
        Err(status) => Err(status.to_string()),
    }
}

fn text(error: hyper::Error) -> String {
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let io = cause.downcast_ref::<io::Error>().map(io::Error::to_string);
    io.unwrap_or_else(|| error.to_string())
}
