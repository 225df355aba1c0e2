//! What a frail member is told: shared by the program and by the tests that start it.

use mainstay::prelude::*;

/// What came to a frail member so far.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Calls.
    pub(crate) asked: u64,
    /// Those that it let fail.
    pub(crate) failed: u64,
}

/// Makes a member do badly.
#[mainstay::service(package = "frail.v1")]
pub(crate) trait Frail {
    /// From now on each answer takes so long, and of a hundred so many are failures.
    #[rpc(idempotent, timeout = "5s")]
    async fn ail(&self, wait_ms: u32, fail_percent: u32) -> Result<Seen>;

    /// What came so far.
    #[rpc(idempotent, timeout = "5s")]
    async fn seen(&self) -> Result<Seen>;

    /// The gifts that were put aside, each as often as it was.
    #[rpc(idempotent, timeout = "5s")]
    async fn gifts(&self) -> Result<Vec<String>>;
}
