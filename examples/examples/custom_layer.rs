//! A layer of one's own: tower's `Layer` and `Service` over the one shape of a call, the same on either side.

use mainstay::{
    call::{BoxFuture, Channel, Invocation, Reply},
    prelude::*,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll},
};
use tower_layer::Layer;
use tower_service::Service;

/// Counts the calls that pass, and those that failed.
#[derive(Clone, Default)]
struct Count(Arc<(AtomicU32, AtomicU32)>);

impl Layer<Channel> for Count {
    type Service = Counted;

    fn layer(&self, inner: Channel) -> Counted {
        Counted { inner, count: self.clone() }
    }
}

#[derive(Clone)]
struct Counted {
    inner: Channel,
    count: Count,
}

impl Service<Invocation> for Counted {
    type Response = Reply;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Reply>>;

    // Always ready: a layer that has to wait does so inside the call, where the deadline bounds it.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Invocation) -> Self::Future {
        let (answer, count) = (self.inner.invoke(call), self.count.clone());
        Box::pin(async move {
            count.0.0.fetch_add(1, Relaxed);
            let answer = answer.await;
            count.0.1.fetch_add(u32::from(answer.is_err()), Relaxed);
            answer
        })
    }
}

/// Divides.
#[mainstay::service(package = "maths.v1")]
trait Maths {
    /// Whole numbers.
    async fn divide(&self, a: u32, b: u32) -> Result<u32>;
}

struct Division;

impl Maths for Division {
    async fn divide(&self, a: u32, b: u32) -> Result<u32> {
        a.checked_div(b).ok_or_else(|| Status::new(Code::InvalidArgument, "nothing divides by zero"))
    }
}

#[tokio::main]
pub(crate) async fn main() -> Result<(), Error> {
    let (served, called) = (Count::default(), Count::default());
    let app = App::new("maths").registry("memory://").serve(MathsServer::new(Division)).layer(served.clone());
    let running = app.start().await?;
    let address = running.address().to_string();
    let maths = MathsClient::connect("maths").address(address).layer(called.clone()).build()?;

    assert_eq!(maths.divide(7, 2).await?, 3);
    println!("{}", maths.divide(1, 0).await.expect_err("that cannot be"));
    for count in [served, called] {
        assert_eq!((count.0.0.load(Relaxed), count.0.1.load(Relaxed)), (2, 1));
    }

    running.drain().await;
    Ok(())
}
