//! A timer that serves one wait after another.
//!
//! Nearly every answer comes long before its time is over. To set a timer of tokio's and to take it away again costs some 300 ns,
//! a fiftieth of a whole hop; to move one that is set to a later moment costs a tenth of that. So each connection keeps its own.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::Poll,
};
use tokio::time::{Instant, Sleep, sleep_until};

/// The timer of one connection, once there was something to wait for.
#[derive(Debug, Default)]
pub(super) struct Clock(Option<Pin<Box<Sleep>>>);

impl Clock {
    /// What some work comes to; `None` when it is not done at that moment. Then it is dropped.
    pub(super) async fn until<T>(&mut self, deadline: Instant, work: impl Future<Output = T>) -> Option<T> {
        let (mut work, mut is_set) = (pin!(work), false);
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            let timer = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            if !std::mem::replace(&mut is_set, true) && timer.deadline() != deadline {
                timer.as_mut().reset(deadline);
            }
            timer.as_mut().poll(cx).map(|()| None)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{future::pending, time::Duration};
    use tokio::time::sleep;

    #[tokio::test(start_paused = true)]
    async fn it_serves_one_wait_after_another_whichever_is_longer() {
        let (mut clock, began) = (Clock::default(), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        assert_eq!(clock.until(at(0), async { 7 }).await, Some(7), "work that is done makes no timer");
        assert!(clock.0.is_none());
        assert_eq!(clock.until(at(9), sleep(Duration::from_secs(1))).await, Some(()));
        for (deadline, over) in [(12, 12), (13, 13), (5, 13), (20, 20)] {
            assert_eq!(clock.until(at(deadline), pending::<()>()).await, None);
            assert_eq!(began.elapsed().as_secs(), over, "until {deadline}");
        }
        assert_eq!(clock.until(at(900), sleep(Duration::from_secs(1))).await, Some(()));
        assert_eq!(clock.until(at(22), pending::<()>()).await, None);
        assert_eq!(began.elapsed().as_secs(), 22, "an earlier moment counts too");
    }
}
