//! The service that is called: it can be read, written into, and counts.

use crate::bed::{Done, History};
use mainstay::{prelude::*, sim::Host};
use std::time::Duration;

#[mainstay::service(package = "simulation.v1")]
pub(crate) trait Ledger {
    /// The same number again.
    #[rpc(idempotent)]
    async fn read(&self, n: u64) -> Result<u64>;

    /// Writes a number down. Asked twice, it stands there twice.
    async fn add(&self, n: u64) -> Result<u64>;

    /// A number each 20 ms.
    async fn count(&self, to: u64) -> Result<Streaming<u64>>;
}

/// A ledger whose entries are the history's.
pub(crate) struct Pages {
    pub(crate) host: Host,
    pub(crate) history: History,
}

impl Pages {
    fn done(&self, n: u64, writes: bool) {
        let again = Cx::current().is_some_and(|cx| cx.metadata().contains_key("grpc-previous-rpc-attempts"));
        self.host.note(format!("{} {n}{}", if writes { "adds" } else { "reads" }, if again { " again" } else { "" }));
        self.history.done(Done { n, writes, again });
    }
}

impl Ledger for Pages {
    async fn read(&self, n: u64) -> Result<u64> {
        self.done(n, false);
        Ok(n)
    }

    async fn add(&self, n: u64) -> Result<u64> {
        self.done(n, true);
        Ok(n)
    }

    async fn count(&self, to: u64) -> Result<Streaming<u64>> {
        let (sender, stream) = Streaming::channel(1);
        tokio::spawn(async move {
            for n in 0..to {
                // On the simulation's clock, slow on purpose.
                tokio::time::sleep(Duration::from_millis(20)).await;
                if sender.send(n).await.is_err() {
                    return;
                }
            }
        });
        Ok(stream)
    }
}
