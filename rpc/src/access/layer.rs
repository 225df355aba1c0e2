//! The layer that sees calls end, for the access log. Where there is none it is a look at an `Option`.

use super::{AccessLog, line::Begun};
use crate::{
    call::{Invocation, Reply, Status},
    layer::{
        Named,
        settle::{Settle, Watched},
    },
    wall::since_the_epoch,
};
use std::task::{Context, Poll};
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

/// Makes [`Logs`].
#[derive(Clone, Debug)]
pub struct LogsLayer(Option<AccessLog>);

/// Writes a line for each call that ends.
#[derive(Clone, Debug)]
pub struct Logs<S> {
    inner: S,
    log: Option<AccessLog>,
}

impl LogsLayer {
    /// A layer that writes to `log`.
    pub fn new(log: AccessLog) -> Self {
        Self(Some(log))
    }

    /// A layer that writes nothing where there is nothing to write to.
    pub(crate) fn maybe(log: Option<AccessLog>) -> Self {
        Self(log)
    }
}

impl<S> Layer<S> for LogsLayer {
    type Service = Logs<S>;

    fn layer(&self, inner: S) -> Logs<S> {
        Logs { inner, log: self.0.clone() }
    }
}

impl<S: Named> Named for Logs<S> {
    fn names(&self, names: &mut Vec<&'static str>) {
        names.extend(self.log.as_ref().map(|_| "access log"));
        self.inner.names(names);
    }
}

impl<S> Service<Invocation> for Logs<S>
where
    S: Service<Invocation, Response = Reply, Error = Status>,
{
    type Response = Reply;
    type Error = Status;
    // Boxed: few programs write a log of calls.
    type Future = Watched<S::Future, Box<Watch>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Invocation) -> Self::Future {
        let watch = self.log.as_ref().map(|log| Box::new(Watch::new(log.clone(), &call)));
        Watched::new(self.inner.call(call), watch)
    }
}

/// A call under way. One that is dropped unheard was given up.
#[derive(Debug)]
pub struct Watch {
    log: AccessLog,
    call: Begun,
    began: Instant,
    told: bool,
}

impl Watch {
    fn new(log: AccessLog, call: &Invocation) -> Self {
        Self { log, call: Begun::of(call), began: call.began, told: false }
    }
}

impl Settle for Watch {
    fn settle(&mut self, outcome: Result<(), &Status>, ended: Instant) {
        self.told = true;
        let (at, took) = (since_the_epoch(), ended.saturating_duration_since(self.began));
        self.log.say(self.call.ended(outcome, at, took, self.log.form()));
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.told {
            self.log.say(self.call.given_up(since_the_epoch(), self.began.elapsed(), self.log.form()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        call::{Code, Frame, Kind, Payload, Streaming},
        layer::testing::{answering, call, gated},
    };
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    /// What was written.
    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Paper {
        /// The codes of the lines so far.
        fn codes(&self, log: &AccessLog) -> Vec<String> {
            log.flush();
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            text.lines().map(|line| line.split(' ').nth(2).unwrap().to_owned()).collect()
        }
    }

    #[tokio::test]
    async fn each_call_is_a_line_however_it_ends() {
        let paper = Paper::default();
        let log = AccessLog::text(paper.clone()).unwrap();
        let layer = LogsLayer::new(log.clone());
        let (sender, stream) = Streaming::<u32>::channel(1);
        let mut replies = vec![
            Err(Status::new(Code::NotFound, "no")),
            Ok(Reply::new(Payload::One(Frame::encode(&7u32)))),
            Ok(Reply::new(Payload::Stream(stream.encode()))),
        ];
        let mut service = layer.layer(answering(move |_| replies.pop().unwrap()));
        let reply = service.call(call(Kind::ServerStreaming, false)).await.unwrap();
        assert_eq!(paper.codes(&log), [""; 0], "a stream is heard of at its end");
        sender.fail(Status::new(Code::Aborted, "enough")).await;
        let mut stream = Streaming::<u32>::decode(reply.payload.into_stream());
        stream.message().await.unwrap_err();
        service.call(call(Kind::Unary, false)).await.unwrap();
        service.call(call(Kind::Unary, false)).await.unwrap_err();
        let (hangs, _gate) = gated();
        let mut pending = Box::pin(layer.layer(hangs).call(call(Kind::Unary, false)));
        assert!(futures_util::poll!(&mut pending).is_pending());
        drop(pending);
        assert_eq!(paper.codes(&log), ["ABORTED", "OK", "NOT_FOUND", "CANCELLED"]);
    }

    /// A disk that takes nothing.
    struct Stuck(std::sync::mpsc::Receiver<()>);

    impl io::Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Until the test is over.
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_disk_that_takes_nothing_holds_no_call_up_and_what_is_lost_is_counted() {
        let metrics = crate::prometheus::Prometheus::new();
        let _recorder = metrics::set_default_local_recorder(&metrics);
        let (_open, stuck) = std::sync::mpsc::channel();
        let log = AccessLog::json(Stuck(stuck)).unwrap();
        let mut service = LogsLayer::new(log).layer(answering(|_| Ok(Reply::new(Payload::One(Frame::encode(&7u32))))));
        for _ in 0..20_000 {
            service.call(call(Kind::Unary, false)).await.unwrap();
        }
        let text = metrics.text();
        let lost = text.lines().find_map(|line| line.strip_prefix("mainstay_access_lines_lost_total ")).unwrap();
        assert!((1..20_000).contains(&lost.parse::<u32>().unwrap()), "{lost}");
    }
}
