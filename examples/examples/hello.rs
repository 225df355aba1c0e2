//! Hello: a trait, somebody who implements it, and somebody who finds them by name.
//!
//! Both are in one process here, with a registry in memory. In two processes the line with `registry` goes: the embedded
//! registry of the machine joins them. The README shows that.

use mainstay::prelude::*;

/// Greets.
#[mainstay::service(package = "hello.v1")]
trait Greeter {
    /// By name.
    async fn hello(&self, name: String) -> Result<String>;
}

struct Hi;

impl Greeter for Hi {
    async fn hello(&self, name: String) -> Result<String> {
        Ok(format!("hello {name}"))
    }
}

#[tokio::main]
pub(crate) async fn main() -> Result<(), Error> {
    let mut app = App::new("greeter").registry("memory://").serve(GreeterServer::new(Hi));
    let registry = app.hub()?;
    let running = app.start().await?;
    running.readiness().registered().await;

    let greeter = GreeterClient::connect("greeter").registry(registry).build()?;
    let answer = greeter.hello("world".into()).await?;
    println!("{answer}");
    assert_eq!(answer, "hello world");

    running.drain().await;
    Ok(())
}
