//! A server that tests share, and places of their own in it.

use std::{
    fmt::Display,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

use mainstay_registry::{Change, Hub, Instance, Lookup, ServiceKey, connect};
use testbed::Nacos;

/// The key of most tests.
pub(crate) const KEY: &str = "a.B:1";

/// A server that nobody ends: it takes 400 MB, so tests that run at the same time share it.
pub(crate) fn shared() -> Arc<Nacos> {
    static SHARED: Mutex<Weak<Nacos>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let nacos = Arc::new(Nacos::start("nacos"));
        *shared = Arc::downgrade(&nacos);
        nacos
    })
}

/// A namespace that nobody else uses.
pub(crate) fn namespace() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn lookup() -> Lookup {
    Lookup::new(KEY.parse::<ServiceKey>().unwrap())
}

pub(crate) fn hub(server: impl Display, rest: impl Display) -> Hub {
    connect(&format!("nacos://{server}/{rest}")).unwrap()
}

pub(crate) fn never_down(heard: &[Change]) {
    assert!(!heard.iter().any(|change| matches!(change, Change::Down(..))), "{heard:?}");
}

pub(crate) fn weighs(weight: u32) -> impl Fn(&[Instance]) -> bool {
    move |known| matches!(known, [one] if one.weight == weight)
}
