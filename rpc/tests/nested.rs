//! A call inside a call: the deadline and the trace of the request go along without anyone passing them on.

use mainstay::{
    call::{CallOptions, detached},
    prelude::*,
    server::Server,
    transport::memory,
};
use std::time::Duration;

#[mainstay::service(package = "test.v1")]
trait Back {
    /// How long the caller still waits, in milliseconds, and which trace the call belongs to.
    async fn seen(&self, cx: &Cx) -> Result<Seen>;
}

#[mainstay::service(package = "test.v1")]
trait Front {
    /// What the service behind it sees.
    async fn through(&self, leave: bool) -> Result<Seen>;
}

#[derive(Message, Clone, Debug, PartialEq)]
struct Seen {
    left_ms: u64,
    trace: String,
}

struct BackService;

impl Back for BackService {
    async fn seen(&self, cx: &Cx) -> Result<Seen> {
        let left = cx.remaining().unwrap_or_default();
        let trace = cx.metadata().get("traceparent").and_then(|value| value.to_str().ok()).unwrap_or_default();
        Ok(Seen { left_ms: left.as_millis() as u64, trace: trace.to_owned() })
    }
}

struct FrontService(BackClient);

impl Front for FrontService {
    async fn through(&self, leave: bool) -> Result<Seen> {
        tokio::time::advance(Duration::from_millis(100)).await;
        let call = self.0.seen();
        Ok(if leave { detached(call).await? } else { call.await? })
    }
}

/// What is no trace context of W3C's form is handed on to nobody.
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::test(start_paused = true)]
async fn the_deadline_and_the_trace_are_handed_on_and_can_be_left_behind() -> std::result::Result<(), mainstay::Error> {
    let (to_back, back) = memory();
    let (to_front, front) = memory();
    Server::new().serve(BackServer::new(BackService)).start(back);
    let back = BackClient::connect("").address("back:1").connector(to_back).build()?;
    Server::new().serve(FrontServer::new(FrontService(back))).start(front);
    let front = FrontClient::connect("").address("front:1").connector(to_front).build()?;
    let traced = CallOptions::new().metadata("traceparent".parse().unwrap(), TRACE.parse().unwrap());
    let front = front.with(traced.timeout(Duration::from_millis(700)));
    let Seen { left_ms, trace } = front.through(false).await?;
    assert!((590..=601).contains(&left_ms), "{left_ms} ms are left of 600");
    assert_eq!(trace, TRACE);
    let Seen { left_ms, trace } = front.through(true).await?;
    assert!((4900..=5001).contains(&left_ms), "the default: {left_ms}");
    assert_eq!(trace, "");
    Ok(())
}
