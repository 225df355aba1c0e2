//! What the integration tests share: following changes, and waiting with a deadline. Tests over real servers share it too.

use std::time::Duration;

use mainstay_registry::{Change, Changes, Instance, InstanceId, Registration};
use tokio::time::timeout;

/// Nothing here takes this long, also on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// The next change, or a panic when none comes.
pub(crate) async fn next(changes: &mut Changes) -> Change {
    timeout(DEADLINE, changes.next()).await.expect("a change in time").expect("an open stream")
}

/// Follows changes until `done` holds for what they lead to; answers the changes on the way.
pub(crate) async fn follow_until(
    changes: &mut Changes,
    known: &mut Vec<Instance>,
    what: &str,
    done: impl Fn(&[Instance]) -> bool,
) -> Vec<Change> {
    let mut heard = Vec::new();
    let follow = async {
        while !done(known) {
            let change = changes.next().await.expect("an open stream");
            apply(known, &change);
            heard.push(change);
        }
    };
    let result = timeout(DEADLINE, follow).await;
    assert!(result.is_ok(), "not within {DEADLINE:?}: {what}; heard {heard:?}; known {known:?}");
    heard
}

/// What is known after a change.
pub(crate) fn apply(known: &mut Vec<Instance>, change: &Change) {
    match change {
        Change::Snapshot(all) => *known = all.iter().map(|one| Instance::clone(one)).collect(),
        Change::Up(up) => {
            known.retain(|instance| instance.id != up.id);
            known.push(Instance::clone(up));
        }
        Change::Down(id, _) => known.retain(|instance| instance.id != *id),
        other => panic!("{other:?}"),
    }
}

/// Polls a condition until it holds.
pub(crate) async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let poll = async {
        let mut pause = tokio::time::interval(Duration::from_millis(5));
        while !holds().await {
            pause.tick().await;
        }
    };
    assert!(timeout(DEADLINE, poll).await.is_ok(), "not within {DEADLINE:?}: {what}");
}

/// A registration of application `stock`, on a port of its own: some registries know instances by their address.
pub(crate) fn stock(id: &str, keys: &[&str]) -> Registration {
    let port = id.bytes().fold(7001, |port: u16, byte| port.wrapping_mul(31).wrapping_add(byte.into())).max(1);
    let instance = Instance::new("stock", "127.0.0.1", port).with_id(InstanceId::new(id));
    Registration::new(instance, keys.iter().map(|key| key.parse().unwrap()))
}
