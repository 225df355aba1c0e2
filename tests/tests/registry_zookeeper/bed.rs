//! A server that tests share, and clients of a path of one's own in it.

use std::{fmt::Display, sync::Arc};

use mainstay_registry::{Change, Hub, Instance, Lookup, ServiceKey, connect};
use testbed::{Shared, zookeeper::Server};

/// The key of most tests.
pub(crate) const KEY: &str = "a.B:1";
/// Sessions of two seconds, for those that wait for their end: the servers' ticks are half a second, and two ticks are the
/// least.
pub(crate) const SHORT: &str = "session=2000";
/// The longest that the servers give, for those whose sessions are to live on, whatever else the machine has to do.
pub(crate) const LONG: &str = "session=10000";

/// A server that nobody ends.
pub(crate) fn shared() -> Arc<Server> {
    static SHARED: Shared<Server> = Shared::new();
    SHARED.get(|| Server::start("zookeeper"))
}

pub(crate) fn lookup() -> Lookup {
    Lookup::new(KEY.parse::<ServiceKey>().unwrap())
}

pub(crate) fn hub(servers: impl Display, chroot: &str, session: &str) -> Hub {
    connect(&format!("zookeeper://{servers}{chroot}?{session}")).unwrap()
}

pub(crate) fn never_down(heard: &[Change]) {
    assert!(!heard.iter().any(|change| matches!(change, Change::Down(..))), "{heard:?}");
}

pub(crate) fn weighs(weight: u32) -> impl Fn(&[Instance]) -> bool {
    move |known| matches!(known, [one] if one.weight == weight)
}
