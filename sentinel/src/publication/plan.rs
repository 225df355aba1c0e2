//! Which servers are published, and as what. Pure.
//!
//! The primary always: it is where the sentinels want writes to go, dead or alive. A replica when it was heard of and
//! says that it is one; from then on until it is held for down, says that it is a master, or is forgotten. A link that
//! breaks for a moment does not take it out: it would come back before anybody had done anything.

use std::collections::BTreeMap;

use mainstay_registry::Role;

use crate::core::ids::{Address, MasterName};
use crate::view::{InstanceView, MasterView, View};

/// A server of a master's group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) master: MasterName,
    pub(super) address: Address,
}

/// What it is published as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) role: Role,
    pub(super) epoch: u64,
}

/// Everything that is published.
pub(super) type Plan = BTreeMap<Key, Entry>;

/// What is to be published, given what is now.
pub(super) fn next(view: &View, before: &Plan) -> Plan {
    let mut plan = Plan::new();
    for master in view.masters.values() {
        let epoch = master.config_epoch.0;
        let key = |address: &Address| Key { master: master.name.clone(), address: address.clone() };
        for replica in &master.replicas {
            let key = key(&replica.address);
            let was = before.get(&key).is_some_and(|entry| entry.role == Role::Replica);
            if serves(master, replica, was) {
                plan.insert(key, Entry { role: Role::Replica, epoch });
            }
        }
        plan.insert(key(&master.current_address), Entry { role: Role::Primary, epoch });
    }
    plan
}

fn serves(master: &MasterView, replica: &InstanceView, was: bool) -> bool {
    let heard = replica.run_id.is_some() && !replica.flags.disconnected;
    let follows = replica.following().is_some_and(|f| f.announced);
    let usable = replica.address.port != 0 && replica.address != master.current_address;
    usable && follows && replica.down_since.is_none() && (heard || was)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::config::Settings;
    use crate::core::event::{self, Following};
    use crate::core::ids::{Epoch, Millis, RunId};

    fn address(port: u16) -> Address {
        Address::new("h", port)
    }

    fn replica(port: u16) -> InstanceView {
        let master = address(1);
        let following = Following { master, link_up: true, link_down_ms: 0, priority: 100, announced: true };
        let mut replica = InstanceView::new(address(port), event::Role::Replica(following));
        replica.run_id = Some(RunId::from_number(u64::from(port)));
        replica
    }

    fn view(current: u16, epoch: u64, replicas: Vec<InstanceView>) -> View {
        let mut master = MasterView::new("m".into(), address(1), Settings::new(2));
        (master.current_address, master.config_epoch, master.replicas) = (address(current), Epoch(epoch), replicas);
        let mut view = View::new(RunId::from_number(9));
        view.masters.insert("m".into(), Arc::new(master));
        view
    }

    fn shown(plan: &Plan) -> String {
        let one = |(key, entry): (&Key, &Entry)| {
            format!("{}{}@{}", if entry.role == Role::Primary { "P" } else { "R" }, key.address.port, entry.epoch)
        };
        plan.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn which_replicas_are_published() {
        type Change = fn(&mut InstanceView);
        let hidden = |r: &mut InstanceView| {
            let event::Role::Replica(following) = &mut r.role else { return };
            following.announced = false;
        };
        // What is changed, whether it is published anew, and whether it stays when it was.
        let table: &[(&str, Change, bool, bool)] = &[
            ("well", |_| {}, true, true),
            ("its link is broken", |r| r.flags.disconnected = true, false, true),
            ("never heard of since the last failover", |r| r.run_id = None, false, true),
            ("down", |r| r.down_since = Some(Millis(1)), false, false),
            ("says that it is a master", |r| r.role = event::Role::Master, false, false),
            ("replica-announced no", hidden, false, false),
            ("no port", |r| r.address.port = 0, false, false),
        ];
        for (what, change, anew, still) in table {
            let mut changed = replica(2);
            change(&mut changed);
            let view = view(1, 0, vec![changed]);
            let before = next(&super::tests::view(1, 0, vec![replica(2), replica(0)]), &Plan::new());
            for (before, expected) in [(Plan::new(), anew), (before, still)] {
                let expected = if *expected { "P1@0 R2@0" } else { "P1@0" };
                assert_eq!(shown(&next(&view, &before)), expected, "{what}");
            }
        }
    }

    #[test]
    fn a_failover() {
        let before = next(&view(1, 0, vec![replica(2), replica(3)]), &Plan::new());
        assert_eq!(shown(&before), "P1@0 R2@0 R3@0");
        // The promoted one is shown from the promotion on; the old one is not heard of.
        let promoted = next(&view(2, 1, vec![replica(2), replica(3)]), &before);
        assert_eq!(shown(&promoted), "P2@1 R3@1");
        let mut gone = replica(1);
        (gone.run_id, gone.flags.disconnected) = (None, true);
        assert_eq!(shown(&next(&view(2, 1, vec![gone, replica(3)]), &promoted)), "P2@1 R3@1");
        let back = next(&view(2, 1, vec![replica(1), replica(3)]), &promoted);
        assert_eq!(shown(&back), "R1@1 P2@1 R3@1");
        assert_eq!(shown(&next(&View::new(RunId::from_number(9)), &back)), "");
    }
}
