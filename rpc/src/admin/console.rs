//! The clients of an application: what its admin port shows, and what ends with it.

use crate::call::Insight;
use futures_util::future::join_all;
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

/// A list of clients for the admin port to show, and for the drain to end: what waits to be sent again is sent when no call is
/// served any more. A clone is the same list; a client that is dropped leaves it.
///
/// ```no_run
/// # fn example<C: From<mainstay::client::Client>>(
/// #     builder: mainstay::client::ConnectBuilder<C>) -> Result<(), mainstay::Error> {
/// let mut app = mainstay::App::from_env("site")?;
/// let stock = builder.registry(app.hub()?).console(&app.console()).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Console(Arc<Mutex<Vec<Weak<dyn Insight>>>>);

impl Console {
    /// A list of nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows one more, as long as it lives.
    pub(crate) fn show(&self, client: &Arc<dyn Insight>) {
        let mut all = self.lock();
        all.retain(|one| one.strong_count() > 0);
        all.push(Arc::downgrade(client));
    }

    /// Those that are there now, in the order in which they were made.
    pub(crate) fn shown(&self) -> Vec<Arc<dyn Insight>> {
        self.lock().iter().filter_map(Weak::upgrade).collect()
    }

    /// Ends what they do of their own: [`Channel::drain`](crate::call::Channel::drain). Cancel-safe.
    pub(crate) async fn drain(&self) {
        let all = self.shown();
        join_all(all.iter().map(|client| client.drain())).await;
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<dyn Insight>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Console").field(&self.shown().len()).finish()
    }
}
