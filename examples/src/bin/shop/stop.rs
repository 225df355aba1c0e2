//! A child ends with its parent: its standard input is a pipe that nobody else writes to.
//!
//! When the parent goes, however it goes, the kernel closes the pipe. A signal on the parent's death would be tied to the
//! thread that started the child, and a process group would not end when only the parent is killed.

use std::io::Read;
use tokio::sync::oneshot;

/// The variable by which the demo tells its children to look at their standard input.
pub(crate) const CHILD: &str = "SHOP_CHILD";

/// Ready when the parent is gone; never without a parent that watches.
pub(crate) async fn parent_gone() {
    if std::env::var_os(CHILD).is_none() {
        std::future::pending::<()>().await;
    }
    let (gone, ended) = oneshot::channel();
    // A thread of its own, since the runtime would wait for a blocking read when it ends.
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        while matches!(input.read(&mut [0; 64]), Ok(1..)) {}
        let _ = gone.send(());
    });
    let _ = ended.await;
}
