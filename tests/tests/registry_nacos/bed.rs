//! A server that tests share, and places of their own in it.

use std::{
    fmt::Display,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use mainstay_registry::{Change, Hub, Instance, Lookup, ServiceKey, config::ConfigCenter, connect};
use testbed::{Nacos, Shared};

/// The key of most tests.
pub(crate) const KEY: &str = "a.B:1";

/// A server that nobody ends: it takes 400 MB, so tests that run at the same time share it.
pub(crate) fn shared() -> Arc<Nacos> {
    static SHARED: Shared<Nacos> = Shared::new();
    SHARED.get(|| Nacos::start("nacos"))
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

pub(crate) fn center(server: impl Display, rest: impl Display) -> Arc<dyn ConfigCenter> {
    hub(server, rest).config_center().unwrap()
}

pub(crate) fn never_down(heard: &[Change]) {
    assert!(!heard.iter().any(|change| matches!(change, Change::Down(..))), "{heard:?}");
}

pub(crate) fn weighs(weight: u32) -> impl Fn(&[Instance]) -> bool {
    move |known| matches!(known, [one] if one.weight == weight)
}
