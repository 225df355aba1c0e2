//! Finds out that a peer is gone although its connection is not.
//!
//! A machine that lost power, or a network that drops everything, closes nothing. When nothing came for an interval, a
//! PING is sent; when its answer does not come in time either, the connection is dead.

use super::coalesce::Burst;
use h2::{Ping, PingPong};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep};

/// Watches one connection.
#[derive(Debug)]
pub(crate) struct Keepalive {
    ping: PingPong,
    timer: Pin<Box<Sleep>>,
    interval: Duration,
    timeout: Duration,
    waiting: bool,
}

impl Keepalive {
    /// Asks after `interval` of silence, and gives up `timeout` later.
    pub(crate) fn new(ping: PingPong, interval: Duration, timeout: Duration) -> Self {
        Self { ping, timer: Box::pin(sleep(interval)), interval, timeout, waiting: false }
    }

    /// Ready when the peer is gone. `active` says whether anyone waits for it: an idle connection is not asked, because
    /// servers of other makes take pings without calls for an attack.
    pub(crate) fn poll_dead(&mut self, cx: &mut Context<'_>, burst: &Burst, active: bool) -> Poll<()> {
        loop {
            if self.waiting && self.ping.poll_pong(cx).is_ready() {
                self.waiting = false;
                self.timer.as_mut().reset(Instant::now() + self.interval);
            }
            ready!(self.timer.as_mut().poll(cx));
            let heard = burst.take_heard();
            if self.waiting && !heard {
                return Poll::Ready(());
            }
            // A connection that fails here has ended, and says so where it is driven.
            let asked = !self.waiting && !heard && active && self.ping.send_ping(Ping::opaque()).is_ok();
            self.waiting |= asked;
            let wait = if asked { self.timeout } else { self.interval };
            self.timer.as_mut().reset(Instant::now() + wait);
        }
    }
}
