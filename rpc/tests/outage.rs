//! All that a client knows is down: what it sends does not grow by what it sends again, and stops once a breaker is open.

use mainstay::{
    call::{Reason, Status},
    policy::BreakerOptions,
    prelude::*,
    server::Server,
    transport::memory,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::time::sleep;

#[mainstay::service(package = "test.outage.v1")]
trait Desk {
    #[rpc(idempotent)]
    async fn look(&self) -> Result<u32, Status>;
}

/// A desk that is down, and how often it was asked.
#[derive(Clone, Default)]
struct Down(Arc<AtomicUsize>);

impl Desk for Down {
    async fn look(&self) -> Result<u32, Status> {
        self.0.fetch_add(1, SeqCst);
        Err(Status::new(Code::Unavailable, "not today"))
    }
}

/// So many calls, a millisecond apart, with so many retries each: how many arrived, and why the last one failed.
async fn outage(calls: usize, retries: u32, breaker: BreakerOptions) -> (usize, Reason) {
    let (connector, accept) = memory();
    let down = Down::default();
    Server::new().serve(DeskServer::new(down.clone())).start(accept);
    let client = DeskClient::connect("").address("desk:1").connector(connector).retries(retries).breaker(breaker);
    let client = client.build().expect("a client");
    let mut last = Reason::Handler;
    for _ in 0..calls {
        last = Status::from(client.look().await.expect_err("it is down")).reason();
        sleep(Duration::from_millis(1)).await;
    }
    (down.0.load(SeqCst), last)
}

#[tokio::test(start_paused = true)]
async fn who_is_down_is_left_alone_once_the_breaker_is_open() {
    let (arrived, last) = outage(500, 0, BreakerOptions::new()).await;
    assert!(arrived <= 20, "{arrived} calls reached who is down");
    assert_eq!(last, Reason::BreakerOpen);
}

#[tokio::test(start_paused = true)]
async fn an_outage_costs_at_most_a_fifth_more() {
    // A ratio above 1 is never reached, so that the budget alone holds back.
    let (arrived, _) = outage(2000, 2, BreakerOptions::new().failure_ratio(2.0)).await;
    assert!(arrived > 2000, "{arrived} calls arrived: nothing was sent again");
    assert!(arrived <= 2400, "{arrived} calls arrived for 2000");
}
