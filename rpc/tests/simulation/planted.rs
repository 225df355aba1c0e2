//! That the search finds what it looks for: a client that sends everything again, which the product does not.

use crate::{bed::Setup, scenarios::twice};
use mainstay::{
    call::{BoxFuture, Channel, Invocation, Reply},
    prelude::*,
};
use std::task::{Context, Poll};
use tower_layer::layer_fn;
use tower_service::Service;

/// Sends a call once more when it failed, whatever it does.
#[derive(Clone)]
struct SendsAgain(Channel);

impl Service<Invocation> for SendsAgain {
    type Response = Reply;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Reply>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Invocation) -> Self::Future {
        let (inner, again) = (self.0.clone(), call.try_clone());
        Box::pin(async move {
            match (inner.invoke(call).await, again) {
                (Err(_), Some(again)) => inner.invoke(again).await,
                (answer, _) => answer,
            }
        })
    }
}

fn planted(client: Setup) -> Setup {
    client.layer(layer_fn(SendsAgain))
}

#[test]
fn the_search_finds_a_client_that_sends_everything_again() {
    let found = (0..50).find_map(|seed| Some((seed, twice(seed, planted).wrong()?)));
    let (seed, wrong) = found.expect("a call that was done twice");
    println!("seed {seed}: {wrong}");
    assert!(wrong.contains("was added 2 times"), "{wrong}");
}
