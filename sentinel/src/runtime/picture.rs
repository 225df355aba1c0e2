//! The core's state as the port shows it. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::links::Links;
use crate::core::event::{Following, Role};
use crate::core::failover::{Reason, Stage};
use crate::core::ids::{Address, MasterName, Millis, RunId, ServerRef, Target};
use crate::core::state::{self, Master, Sentinel};
use crate::view::{Flags, InstanceView, MasterView, PeerView, Reconf, View};

/// The last INFO of each server: when it came, and its text.
pub(super) type Infos = BTreeMap<ServerRef, (Millis, Arc<str>)>;

/// How many masters share the link to a peer.
type Shared = BTreeMap<RunId, u32>;

/// Draws everything.
pub(super) fn draw(view: &mut View, core: &Sentinel, links: &Links, infos: &Infos) {
    draw_self(view, core);
    view.masters.retain(|name, _| core.masters().contains_key(name));
    let mut shared = Shared::new();
    for id in core.masters().values().flat_map(|m| m.peers.keys()) {
        *shared.entry(*id).or_default() += 1;
    }
    for m in core.masters().values() {
        view.masters.insert(m.name.clone(), Arc::new(master(m, core, &shared, links, infos)));
    }
}

/// Draws one master, and what concerns the sentinel itself.
pub(super) fn draw_master(view: &mut View, core: &Sentinel, name: &MasterName, links: &Links, infos: &Infos) {
    draw_self(view, core);
    let Some(m) = core.masters().get(name) else {
        view.masters.remove(name);
        return;
    };
    let count = |id: &RunId| core.masters().values().filter(|m| m.peers.contains_key(id)).count() as u32;
    let shared = m.peers.keys().map(|id| (*id, count(id))).collect();
    view.masters.insert(name.clone(), Arc::new(master(m, core, &shared, links, infos)));
}

fn draw_self(view: &mut View, core: &Sentinel) {
    view.me = core.me();
    view.current_epoch = core.current_epoch();
    view.tilt_since = core.tilt();
    view.globals = core.globals().clone();
}

fn master(m: &Master, core: &Sentinel, shared: &Shared, links: &Links, infos: &Infos) -> MasterView {
    let mut shown = MasterView::new(m.name.clone(), m.address.clone(), m.settings.clone());
    if let Some(server) = m.server() {
        shown.instance = instance(m, &m.address, server, links, infos);
    }
    shown.instance.objectively_down_since = m.objectively_down;
    shown.instance.flags.failover_in_progress = m.failover.is_some();
    shown.instance.flags.force_failover = m.failover.as_ref().is_some_and(|f| f.reason != Reason::Down);
    shown.current_address = m.current_address().clone();
    shown.config_epoch = m.config_epoch;
    shown.paused = m.paused.clone();
    shown.vote = (m.vote.candidate, m.vote.epoch);
    shown.failover_state = m.failover.as_ref().map(|f| f.state_name());
    shown.replicas = m.replicas().map(|(address, s)| instance(m, address, s, links, infos)).collect();
    shown.sentinels = m.peers.iter().filter_map(|(id, w)| peer(*id, w, core, shared, links)).collect();
    shown
}

fn instance(m: &Master, address: &Address, s: &state::Server, links: &Links, infos: &Infos) -> InstanceView {
    let server = ServerRef { master: m.name.clone(), address: address.clone() };
    let role = match &s.report {
        Some(report) => report.role.clone(),
        None if *address == m.address => Role::Master,
        None => Role::Replica(unknown()),
    };
    let mut shown = InstanceView::new(address.clone(), role);
    fill(&mut shown, &s.link);
    shown.run_id = s.run_id;
    shown.role_since = s.role_since;
    shown.down_since = s.down;
    shown.info = infos.get(&server).cloned();
    shown.offset = s.report.as_ref().map_or(0, |r| r.offset);
    shown.pending_commands = links.pending(&Target::Server(server));
    let promoted = m.failover.as_ref().is_some_and(|f| match &f.stage {
        Stage::Promote { to, .. } | Stage::Switch { to, .. } | Stage::Reconfigure { to } => to == address,
        Stage::WaitStart(_) | Stage::Select | Stage::Fence { .. } => false,
    });
    let reconf = match s.reconf {
        state::Reconf::None => None,
        state::Reconf::Sent(_) => Some(Reconf::Sent),
        state::Reconf::InProgress(_) => Some(Reconf::InProgress),
        state::Reconf::Done => Some(Reconf::Done),
    };
    shown.flags =
        Flags { disconnected: !s.link.up, promoted, reconf, reboot: s.rebooted.is_some(), ..Flags::default() };
    shown
}

fn peer(id: RunId, w: &state::Watcher, core: &Sentinel, shared: &Shared, links: &Links) -> Option<PeerView> {
    let known = core.peers().get(&id)?;
    let mut shown = InstanceView::new(known.address.clone(), Role::Master);
    fill(&mut shown, &known.link);
    shown.run_id = Some(id);
    shown.down_since = w.down;
    shown.link_refcount = shared.get(&id).copied().unwrap_or(1);
    shown.pending_commands = links.pending(&Target::Peer(id));
    shown.flags = Flags { disconnected: !known.link.up, master_down: w.says_down, ..Flags::default() };
    let vote = w.vote.candidate.map(|candidate| (candidate, w.vote.epoch));
    Some(PeerView { id, instance: shown, last_hello: w.last_hello, vote })
}

fn fill(shown: &mut InstanceView, link: &state::Link) {
    shown.ping_sent = link.unanswered;
    shown.last_ok_reply = link.last_ok;
    shown.last_reply = link.last_reply;
}

/// A replica that has told nothing yet.
fn unknown() -> Following {
    Following { master: Address::new("?", 0), link_up: false, link_down_ms: 0, priority: 100, announced: true }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::core::config::Settings;
    use crate::core::durable::{Durable, DurableMaster, DurablePeer, PeerKind};

    #[test]
    fn what_is_known_is_drawn_and_what_is_gone_goes() {
        let mut durable = Durable::new(RunId::from_number(1));
        let mut m = DurableMaster::new(Address::new("h", 1), Settings::new(2));
        m.replicas = [Address::new("h", 2)].into();
        let peer = DurablePeer { address: Address::new("h", 3), kind: PeerKind::Ours };
        m.peers.insert(RunId::from_number(2), peer);
        durable.masters.insert("m".into(), m);
        let core = Sentinel::new(durable, 1, Millis(5));
        let links = Links::new(mpsc::channel(1).0, core.me(), 1, None);
        let at = ServerRef { master: "m".into(), address: Address::new("h", 2) };
        let infos: Infos = [(at, (Millis(3), "role:slave".into()))].into();

        let mut view = View::new(core.me());
        let gone = MasterView::new("gone".into(), Address::new("h", 9), Settings::new(1));
        view.masters.insert("gone".into(), Arc::new(gone));
        draw(&mut view, &core, &links, &infos);
        assert_eq!(view.masters.keys().map(MasterName::as_str).collect::<Vec<_>>(), ["m"]);
        let shown = &view.masters[&"m".into()];
        assert_eq!((shown.instance.address.port, shown.replicas.len(), shown.sentinels.len()), (1, 1, 1));
        assert!(shown.instance.flags.disconnected && shown.instance.role == Role::Master);
        assert_eq!(shown.replicas[0].following().unwrap().master, Address::new("?", 0));
        assert_eq!(shown.replicas[0].info.as_ref().unwrap().0, Millis(3));
        assert_eq!((shown.sentinels[0].id, shown.sentinels[0].instance.link_refcount), (RunId::from_number(2), 1));
    }
}
