//! A picture of a healthy group, for the tests of this folder.

use std::sync::Arc;

use super::sentinel::Caller;
use crate::core::config::Settings;
use crate::core::event::{Following, Role};
use crate::core::ids::{Address, Epoch, Millis, RunId};
use crate::view::{InstanceView, MasterView, PeerView, View};

/// Who calls.
pub(super) const CALLER: Caller<'static> = Caller { user: "default", from: "10.0.0.7:5", today: 7 };
/// The moment of the picture.
pub(super) const NOW: Millis = Millis(100_000);

/// `mymaster` with two replicas and two other sentinels, and `other` with none.
pub(super) fn view() -> View {
    let mut view = View::new(RunId::from_number(20));
    view.current_epoch = Epoch(3);
    let mut settings = Settings::new(2);
    settings.down_after = 1000;
    let mut mymaster = MasterView::new("mymaster".into(), Address::new("127.0.0.1", 6379), settings);
    mymaster.config_epoch = Epoch(3);
    mymaster.instance = instance(1, 6379, Role::Master);
    mymaster.replicas = vec![replica(2, 6380), replica(3, 6381)];
    mymaster.sentinels = vec![peer(21, 26380), peer(22, 26381)];
    let other = MasterView::new("other".into(), Address::new("10.0.0.9", 6379), Settings::new(1));
    for master in [mymaster, other] {
        view.masters.insert(master.name.clone(), Arc::new(master));
    }
    view
}

fn replica(id: u64, port: u16) -> InstanceView {
    let master = Address::new("127.0.0.1", 6379);
    let following = Following { master, link_up: true, link_down_ms: 0, priority: 100, announced: true };
    instance(id, port, Role::Replica(following))
}

fn peer(id: u64, port: u16) -> PeerView {
    let instance = instance(id, port, Role::Master);
    PeerView { id: RunId::from_number(id), instance, last_hello: Millis(NOW.0 - 500), vote: None }
}

fn instance(id: u64, port: u16, role: Role) -> InstanceView {
    let mut instance = InstanceView::new(Address::new("127.0.0.1", port), role);
    instance.run_id = Some(RunId::from_number(id));
    instance.role_since = Millis(NOW.0 - 9000);
    instance.last_ok_reply = Millis(NOW.0 - 100);
    instance.last_reply = Millis(NOW.0 - 100);
    instance.info = Some((Millis(NOW.0 - 2000), "# Server\r\nredis_version:7.0.15\r\n".into()));
    instance.offset = 4242;
    instance
}
