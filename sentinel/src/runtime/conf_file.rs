//! `sentinel.conf`, rewritten behind the loop, or a copy of it where it is to be left alone.
//!
//! The state file holds the promises, so nobody waits for this one, except an operator who changed it. Changes that come
//! close together are written once: a failover would otherwise compete with itself for the disk. A copy takes only what an
//! operator changes: what is learnt is in the state file anyway.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::conf;
use crate::core::action::Refusal;
use crate::core::durable::Durable;
use crate::store::{StoreError, replace};

/// How long a change may wait for others.
const WAIT: Duration = Duration::from_millis(200);

type Reply = oneshot::Sender<Result<(), Refusal>>;

enum Order {
    Changed(Arc<Durable>),
    Flush(Arc<Durable>, Reply),
}

/// What is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conf {
    /// The file itself.
    File(PathBuf),
    /// A copy of a file that is left alone.
    Copy(ConfCopy),
}

/// A copy, made with the first change of an operator. Nobody else may read it: it may hold passwords.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfCopy {
    /// Where.
    pub path: PathBuf,
    /// What it is made from.
    pub origin: Vec<u8>,
}

/// The file.
#[derive(Debug)]
pub(super) struct ConfFile {
    /// None: there is none.
    writer: Option<(mpsc::UnboundedSender<Order>, JoinHandle<()>)>,
    /// Only what an operator changes is written.
    orders_only: bool,
}

impl ConfFile {
    pub(super) fn keep(conf: Option<Conf>) -> ConfFile {
        let orders_only = matches!(conf, Some(Conf::Copy(_)));
        let writer = conf.map(|conf| {
            // At most one order per step of the loop, and the writer takes all that wait at once.
            let (orders, waiting) = mpsc::unbounded_channel();
            (orders, tokio::spawn(write(conf, waiting)))
        });
        ConfFile { writer, orders_only }
    }

    /// The state changed.
    pub(super) fn changed(&self, state: Arc<Durable>) {
        if !self.orders_only {
            self.order(Order::Changed(state));
        }
    }

    /// Answers once the state is in the file.
    pub(super) fn flush(&self, state: Arc<Durable>, reply: Reply) {
        self.order(Order::Flush(state, reply));
    }

    /// Writes what is left, and ends.
    pub(super) async fn finish(&mut self) {
        if let Some((orders, task)) = self.writer.take() {
            drop(orders);
            // It ends by itself; a panic in it was told already.
            let _ = task.await;
        }
    }

    fn order(&self, order: Order) {
        match (&self.writer, order) {
            // Its receiver lives as long as this.
            (Some((orders, _)), order) => drop(orders.send(order)),
            (None, Order::Flush(_, reply)) => drop(reply.send(Ok(()))),
            (None, Order::Changed(_)) => {}
        }
    }
}

async fn write(conf: Conf, mut orders: mpsc::UnboundedReceiver<Order>) {
    while let Some(order) = orders.recv().await {
        let (mut state, mut replies) = (None, Vec::new());
        let mut take = |order| match order {
            Order::Changed(s) => state = Some(s),
            Order::Flush(s, reply) => {
                state = Some(s);
                replies.push(reply);
            }
        };
        let mut urgent = matches!(order, Order::Flush(..));
        take(order);
        if !urgent {
            // More changes may follow; an operator or the end cuts the wait short.
            let more = async {
                while let Some(order) = orders.recv().await {
                    urgent = matches!(order, Order::Flush(..));
                    take(order);
                    if urgent {
                        break;
                    }
                }
            };
            let _ = timeout(WAIT, more).await;
        }
        while let Ok(order) = orders.try_recv() {
            take(order);
        }
        if let Some(state) = state {
            let result = save(conf.clone(), state).await;
            replies.into_iter().for_each(|reply| drop(reply.send(result.clone())));
        }
    }
}

async fn save(conf: Conf, state: Arc<Durable>) -> Result<(), Refusal> {
    let written = tokio::task::spawn_blocking(move || match conf {
        Conf::File(path) => rewrite(&path, &state),
        Conf::Copy(copy) => copy.make().and_then(|()| rewrite(&copy.path, &state)),
    });
    let written = written.await;
    match written {
        Ok(Ok(())) => Ok(()),
        Ok(Err(e)) => {
            tracing::error!(error = %e, "sentinel.conf is not rewritten");
            Err(Refusal::NotSaved)
        }
        Err(_) => Err(Refusal::NotSaved),
    }
}

impl ConfCopy {
    /// Makes it if there is none.
    fn make(&self) -> Result<(), StoreError> {
        let failed = |source| StoreError::writing(&self.path, source);
        match File::options().write(true).create_new(true).mode(0o600).open(&self.path) {
            Ok(mut file) => file.write_all(&self.origin).map_err(failed),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(e) => Err(failed(e)),
        }
    }
}

/// Puts the state into the file. A file that is gone is made anew.
///
/// # Errors
/// When it cannot be read or written.
pub fn rewrite(path: &Path, state: &Durable) -> Result<(), StoreError> {
    let old = match std::fs::read(path) {
        Ok(old) => old,
        Err(e) if e.kind() == ErrorKind::NotFound => Vec::new(),
        Err(source) => return Err(StoreError::Read { path: path.to_owned(), source }),
    };
    let new = conf::rewrite(&old, state);
    if new == old {
        return Ok(());
    }
    replace(path, &new).map_err(|e| StoreError::writing(path, e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::{Epoch, RunId};

    struct Gone(PathBuf);

    impl Drop for Gone {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    fn file(name: &str) -> Gone {
        Gone(std::env::temp_dir().join(format!("mainstay-conf-{name}-{}.conf", std::process::id())))
    }

    fn state(epoch: u64) -> Arc<Durable> {
        Arc::new(Durable { current_epoch: Epoch(epoch), ..Durable::new(RunId::from_number(7)) })
    }

    #[tokio::test]
    async fn an_operator_finds_it_written_and_the_end_writes_the_rest() {
        let file = file("written");
        std::fs::write(&file.0, "# mine\nport 26379\n").unwrap();
        let mut conf = ConfFile::keep(Some(Conf::File(file.0.clone())));
        conf.changed(state(1));
        let (reply, answer) = oneshot::channel();
        conf.flush(state(2), reply);
        assert_eq!(answer.await.unwrap(), Ok(()));
        let text = std::fs::read_to_string(&file.0).unwrap();
        assert!(text.starts_with("# mine\nport 26379\n") && text.contains("sentinel current-epoch 2\n"), "{text}");
        conf.changed(state(3));
        conf.finish().await;
        assert!(std::fs::read_to_string(&file.0).unwrap().contains("sentinel current-epoch 3\n"));
    }

    #[tokio::test]
    async fn a_copy_is_made_with_the_first_order_and_for_nobody_else() {
        use std::os::unix::fs::PermissionsExt;
        let file = file("copy");
        let copy = ConfCopy { path: file.0.clone(), origin: b"# copied\nport 26379\n".to_vec() };
        let mut conf = ConfFile::keep(Some(Conf::Copy(copy)));
        conf.changed(state(1));
        let (reply, answer) = oneshot::channel();
        assert!(!file.0.exists());
        conf.flush(state(2), reply);
        assert_eq!(answer.await.unwrap(), Ok(()));
        conf.changed(state(3));
        conf.finish().await;
        let text = std::fs::read_to_string(&file.0).unwrap();
        assert!(text.starts_with("# copied\nport 26379\n") && text.contains("sentinel current-epoch 2\n"), "{text}");
        assert_eq!(std::fs::metadata(&file.0).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_is_told_and_none_needs_none() {
        let conf = ConfFile::keep(Some(Conf::File("/no/such/directory/sentinel.conf".into())));
        let (reply, answer) = oneshot::channel();
        conf.flush(state(1), reply);
        assert_eq!(answer.await.unwrap(), Err(Refusal::NotSaved));
        let none = ConfFile::keep(None);
        let (reply, answer) = oneshot::channel();
        none.flush(state(1), reply);
        assert_eq!(answer.await.unwrap(), Ok(()));
    }
}
