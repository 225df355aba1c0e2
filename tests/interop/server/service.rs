//! `grpc.testing.TestService`, as the interoperability tests describe it.

use std::time::Duration;

use mainstay::call::{Cx, Status, Streaming};
use tonic::Code;

mainstay::include_proto!("interop/proto/testing.proto");

/// Metadata that a caller sends to have it back before, and after, the answer.
const ECHO_INITIAL: &str = "x-grpc-test-echo-initial";
const ECHO_TRAILING: &str = "x-grpc-test-echo-trailing-bin";
/// Answers that may wait for a slow reader.
const AHEAD: usize = 4;

pub(crate) struct Tests;

impl TestService for Tests {
    async fn empty_call(&self, _: Empty) -> Result<Empty, Status> {
        Ok(Empty {})
    }

    async fn unary_call(&self, request: SimpleRequest) -> Result<SimpleResponse, Status> {
        echo_metadata();
        asked_for(request.response_status)?;
        Ok(SimpleResponse { payload: Some(zeros(request.response_size)?) })
    }

    async fn streaming_output_call(
        &self,
        request: StreamingOutputCallRequest,
    ) -> Result<Streaming<StreamingOutputCallResponse>, Status> {
        let (sender, answers) = Streaming::channel(AHEAD);
        tokio::spawn(async move {
            match answer(&request, &sender).await {
                Ok(()) => {}
                Err(status) => sender.fail(status).await,
            }
        });
        Ok(answers)
    }

    async fn streaming_input_call(
        &self,
        mut request: Streaming<StreamingInputCallRequest>,
    ) -> Result<StreamingInputCallResponse, Status> {
        let mut sum = 0;
        while let Some(message) = request.message().await? {
            sum += message.payload.map_or(0, |p| p.body.len());
        }
        let aggregated_payload_size = i32::try_from(sum).map_err(|_| wrong("more than 2 GiB were sent"))?;
        Ok(StreamingInputCallResponse { aggregated_payload_size })
    }

    async fn full_duplex_call(
        &self,
        mut request: Streaming<StreamingOutputCallRequest>,
    ) -> Result<Streaming<StreamingOutputCallResponse>, Status> {
        echo_metadata();
        let (sender, answers) = Streaming::channel(AHEAD);
        tokio::spawn(async move {
            loop {
                let answered = match request.message().await {
                    Ok(None) => return,
                    Ok(Some(message)) => answer(&message, &sender).await,
                    Err(status) => Err(status),
                };
                if let Err(status) = answered {
                    return sender.fail(status).await;
                }
            }
        });
        Ok(answers)
    }
}

/// Sends what one request asks for. A caller that has gone away is told nothing more.
async fn answer(
    request: &StreamingOutputCallRequest,
    sender: &mainstay::call::Sender<StreamingOutputCallResponse>,
) -> Result<(), Status> {
    asked_for(request.response_status.clone())?;
    for wanted in &request.response_parameters {
        let pause = u64::try_from(wanted.interval_us).unwrap_or(0);
        tokio::time::sleep(Duration::from_micros(pause)).await;
        if sender.send(StreamingOutputCallResponse { payload: Some(zeros(wanted.size)?) }).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn echo_metadata() {
    let Some(cx) = Cx::current() else { return };
    if let Some(value) = cx.metadata().get(ECHO_INITIAL) {
        cx.set_header(tonic::metadata::MetadataKey::from_static(ECHO_INITIAL), value.clone());
    }
    if let Some(value) = cx.metadata().get_bin(ECHO_TRAILING) {
        cx.set_trailer_bin(tonic::metadata::MetadataKey::from_static(ECHO_TRAILING), value.clone());
    }
}

/// The failure that a caller asks for.
fn asked_for(status: Option<EchoStatus>) -> Result<(), Status> {
    match status {
        Some(status) if status.code != 0 => Err(Status::new(Code::from(status.code), status.message)),
        _ => Ok(()),
    }
}

fn zeros(size: i32) -> Result<Payload, Status> {
    let size = usize::try_from(size).map_err(|_| wrong("a size is below zero"))?;
    if size > 16 * 1024 * 1024 {
        return Err(wrong("a size is above 16 MiB"));
    }
    Ok(Payload { r#type: PayloadType::Compressable.into(), body: vec![0; size] })
}

fn wrong(message: &'static str) -> Status {
    Status::new(Code::InvalidArgument, message)
}
