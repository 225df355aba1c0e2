//! A try whose time is taken: where it is, and since when. Between the retry, which gives it up for another, and the endpoint,
//! which says that it has it, and for which a try that is given up then was overdue.

use mainstay_registry::InstanceId;
use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep};

/// One try of a call.
#[derive(Debug)]
pub(crate) struct Trial {
    /// How long it may take.
    time: Duration,
    /// Who has it, and since when.
    sent: OnceLock<(InstanceId, Instant)>,
}

impl Trial {
    pub(crate) fn new(time: Duration) -> Self {
        Self { time, sent: OnceLock::new() }
    }

    /// It is sent now. Says until when it may take.
    pub(crate) fn send(&self, to: &InstanceId, now: Instant) -> Instant {
        self.sent.get_or_init(|| (to.clone(), now)).1 + self.time
    }

    /// Who has had it for too long; else when to look again.
    fn overdue(&self, now: Instant) -> Result<&InstanceId, Instant> {
        match self.sent.get() {
            // It waits for somebody to be there, and another try would wait too.
            None => Err(now + self.time),
            Some((_, since)) if *since + self.time > now => Err(*since + self.time),
            Some((who, _)) => Ok(who),
        }
    }
}

/// What watches over a try.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) trial: Arc<Trial>,
    timer: Pin<Box<Sleep>>,
}

impl Watch {
    pub(super) fn new(time: Duration) -> Self {
        Self { trial: Arc::new(Trial::new(time)), timer: Box::pin(sleep(time)) }
    }

    /// Ready when the try takes too long: with who has it.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<InstanceId> {
        loop {
            std::task::ready!(self.timer.as_mut().poll(cx));
            match self.trial.overdue(Instant::now()) {
                Ok(who) => return Poll::Ready(who.clone()),
                Err(later) => self.timer.as_mut().reset(later),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{RetryLayer, RetryOptions},
        *,
    };
    use crate::{
        call::{BoxFuture, Frame, Invocation, Kind, Payload, Reply, Status},
        layer::testing::call,
    };
    use std::sync::Mutex;
    use tower_layer::Layer;
    use tower_service::Service;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_try_is_overdue_from_when_it_was_sent() {
        let (trial, began) = (Trial::new(10 * MS), Instant::now());
        assert_eq!(trial.overdue(began), Err(began + 10 * MS), "nobody has it");
        let who = InstanceId::new("a".to_owned());
        assert_eq!(trial.send(&who, began + 5 * MS), began + 15 * MS);
        assert_eq!(trial.overdue(began + 14 * MS), Err(began + 15 * MS));
        assert_eq!(trial.overdue(began + 15 * MS), Ok(&who));
    }

    /// Answers after so many milliseconds, one try after the other; keeps who was tried before, and which tries were given up.
    #[derive(Clone)]
    struct Slow {
        takes: Arc<Mutex<Vec<u32>>>,
        tried: Arc<Mutex<Vec<usize>>>,
    }

    impl Service<Invocation> for Slow {
        type Response = Reply;
        type Error = Status;
        type Future = BoxFuture<'static, Result<Reply, Status>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, call: Invocation) -> Self::Future {
            let takes = self.takes.lock().unwrap().remove(0);
            let mut tried = self.tried.lock().unwrap();
            tried.push(call.tried.len());
            if let Some(trial) = &call.trial {
                trial.send(&InstanceId::new(tried.len().to_string()), Instant::now());
            }
            Box::pin(async move {
                sleep(takes * MS).await; // slow on purpose
                Ok(Reply::new(Payload::One(Frame::encode(&1u32))))
            })
        }
    }

    /// How long a call takes whose tries take so long, and whom each try knew to have been tried before.
    async fn run(takes: &[u32], options: RetryOptions, call: Invocation) -> (u128, Vec<usize>) {
        let service = Slow { takes: Arc::new(Mutex::new(takes.to_vec())), tried: Arc::default() };
        let began = Instant::now();
        RetryLayer::new(options).layer(service.clone()).call(call).await.unwrap();
        let tried = service.tried.lock().unwrap().clone();
        (began.elapsed().as_millis(), tried)
    }

    #[tokio::test(start_paused = true)]
    async fn a_try_that_takes_too_long_is_given_up_for_another_and_only_for_another() {
        let options = RetryOptions { per_try_timeout: Some(50 * MS), ..RetryOptions::default() };
        let read = || call(Kind::Unary, true);
        assert_eq!(run(&[200, 10], options, read()).await, (60, vec![0, 1]));
        assert_eq!(run(&[40], options, read()).await, (40, vec![0]));
        // The last one that is allowed has all the time that is left.
        assert_eq!(run(&[200, 200, 200], options, read()).await, (300, vec![0, 1, 2]));
        assert_eq!(run(&[200], options, call(Kind::Unary, false)).await, (200, vec![0]), "it is not idempotent");
        let poor = RetryOptions { budget_percent: 0, budget_at_least: 0, ..options };
        assert_eq!(run(&[200], poor, read()).await, (200, vec![0]), "there is no budget for another");
        let mut hurried = read();
        hurried.per_try = Some(20 * MS);
        assert_eq!(run(&[200, 10], options, hurried).await, (30, vec![0, 1]), "the caller's word counts more");
        let mut once = read();
        once.retries = Some(0);
        assert_eq!(run(&[200], options, once).await, (200, vec![0]));
        assert_eq!(run(&[200], RetryOptions::default(), read()).await, (200, vec![0]));
    }

    #[tokio::test(start_paused = true)]
    async fn no_try_is_begun_that_the_deadline_would_cut_off_at_once() {
        let options = RetryOptions { per_try_timeout: Some(50 * MS), ..RetryOptions::default() };
        let mut short = call(Kind::Unary, true);
        short.deadline = Some(short.began + 50 * MS);
        assert_eq!(run(&[60], options, short).await, (60, vec![0]), "what is above ends it at its deadline");
    }
}
