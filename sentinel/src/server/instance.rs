//! The maps that describe a master, a replica or a sentinel. Their keys, their order and that all values are strings
//! are part of the interface: there are clients that take values by position.

use crate::core::ids::Millis;
use crate::resp::Value;
use crate::view::{InstanceView, MasterView, PeerView, Reconf};

/// What an instance is under its master.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Master,
    Replica,
    Sentinel,
}

/// A master's map.
pub(super) fn master(view: &MasterView, now: Millis) -> Value {
    let mut map = Map::default();
    map.common(view.name.as_str(), &view.instance, Part::Master, view, now);
    map.reported(&view.instance, now);
    map.put("config-epoch", view.config_epoch.to_string());
    map.put("num-slaves", view.replicas.len().to_string());
    map.put("num-other-sentinels", view.sentinels.len().to_string());
    map.put("quorum", view.settings.quorum.to_string());
    map.put("failover-timeout", view.settings.failover_timeout.to_string());
    map.put("parallel-syncs", view.settings.parallel_syncs.to_string());
    if let Some(script) = &view.settings.notification_script {
        map.put("notification-script", script.clone());
    }
    if let Some(script) = &view.settings.client_reconfig_script {
        map.put("client-reconfig-script", script.clone());
    }
    map.value()
}

/// A replica's map.
pub(super) fn replica(view: &InstanceView, master: &MasterView, now: Millis) -> Value {
    let mut map = Map::default();
    map.common(&view.address.to_string(), view, Part::Replica, master, now);
    map.reported(view, now);
    let following = view.following();
    map.put("master-link-down-time", following.map_or(0, |f| f.link_down_ms).to_string());
    map.put("master-link-status", if following.is_some_and(|f| f.link_up) { "ok" } else { "err" }.to_owned());
    map.put("master-host", following.map_or_else(|| "?".to_owned(), |f| f.master.host.to_string()));
    map.put("master-port", following.map_or(0, |f| f.master.port).to_string());
    map.put("slave-priority", following.map_or(100, |f| f.priority).to_string());
    map.put("slave-repl-offset", view.offset.to_string());
    map.put("replica-announced", String::from(if is_announced(view) { "1" } else { "0" }));
    map.value()
}

/// A sentinel's map.
pub(super) fn sentinel(view: &PeerView, master: &MasterView, now: Millis) -> Value {
    let mut map = Map::default();
    map.common(view.id.as_str(), &view.instance, Part::Sentinel, master, now);
    map.put("last-hello-message", now.since(view.last_hello).to_string());
    map.put("voted-leader", view.vote.map_or_else(|| "?".to_owned(), |(leader, _)| leader.to_string()));
    map.put("voted-leader-epoch", view.vote.map_or(0, |(_, epoch)| epoch.0).to_string());
    map.value()
}

/// The replica wants to be listed to clients.
pub(super) fn is_announced(view: &InstanceView) -> bool {
    view.following().is_none_or(|following| following.announced)
}

#[derive(Default)]
struct Map(Vec<(Value, Value)>);

impl Map {
    fn put(&mut self, key: &'static str, value: String) {
        self.0.push((Value::bulk(key), Value::Bulk(value.into())));
    }

    fn value(self) -> Value {
        Value::Map(self.0)
    }

    fn common(&mut self, name: &str, view: &InstanceView, part: Part, master: &MasterView, now: Millis) {
        self.put("name", name.to_owned());
        self.put("ip", view.address.host.to_string());
        self.put("port", view.address.port.to_string());
        self.put("runid", view.run_id.map(|id| id.to_string()).unwrap_or_default());
        self.put("flags", flags(view, part));
        self.put("link-pending-commands", view.pending_commands.to_string());
        self.put("link-refcount", view.link_refcount.to_string());
        if let (Part::Master, Some(state)) = (part, master.failover_state) {
            self.put("failover-state", state.to_owned());
        }
        self.put("last-ping-sent", view.ping_sent.map_or(0, |at| now.since(at)).to_string());
        self.put("last-ok-ping-reply", now.since(view.last_ok_reply).to_string());
        self.put("last-ping-reply", now.since(view.last_reply).to_string());
        if let Some(since) = view.down_since {
            self.put("s-down-time", now.since(since).to_string());
        }
        if let Some(since) = view.objectively_down_since {
            self.put("o-down-time", now.since(since).to_string());
        }
        self.put("down-after-milliseconds", master.settings.down_after.to_string());
    }

    /// What masters and replicas say of themselves.
    fn reported(&mut self, view: &InstanceView, now: Millis) {
        self.put("info-refresh", view.info.as_ref().map_or(0, |(at, _)| now.since(*at)).to_string());
        let role = if view.following().is_some() { "slave" } else { "master" };
        self.put("role-reported", role.to_owned());
        self.put("role-reported-time", now.since(view.role_since).to_string());
    }
}

fn flags(view: &InstanceView, part: Part) -> String {
    let flags = &view.flags;
    let words = [
        (view.down_since.is_some(), "s_down"),
        (view.objectively_down_since.is_some(), "o_down"),
        (part == Part::Master, "master"),
        (part == Part::Replica, "slave"),
        (part == Part::Sentinel, "sentinel"),
        (flags.disconnected, "disconnected"),
        (flags.master_down, "master_down"),
        (flags.failover_in_progress, "failover_in_progress"),
        (flags.promoted, "promoted"),
        (flags.reconf == Some(Reconf::Sent), "reconf_sent"),
        (flags.reconf == Some(Reconf::InProgress), "reconf_inprog"),
        (flags.reconf == Some(Reconf::Done), "reconf_done"),
        (flags.force_failover, "force_failover"),
        (flags.script_kill_sent, "script_kill_sent"),
        (flags.reboot, "master_reboot"),
    ];
    words.iter().filter(|(on, _)| *on).map(|(_, word)| *word).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    fn keys_and_values(value: &Value) -> (String, String) {
        let Value::Map(pairs) = value else { panic!("no map: {value:?}") };
        let join = |list: Vec<&str>| list.join(" ");
        let keys = pairs.iter().map(|(k, _)| k.as_str().unwrap()).collect();
        let values = pairs.iter().map(|(_, v)| match v {
            Value::Bulk(text) => std::str::from_utf8(text).unwrap(),
            other => panic!("no string: {other:?}"),
        });
        (join(keys), join(values.collect()))
    }

    #[test]
    fn a_healthy_group_as_redis_sentinel_describes_it() {
        let (view, now) = (testing::view(), testing::NOW);
        let mymaster = &view.masters[&"mymaster".into()];
        let (keys, values) = keys_and_values(&master(mymaster, now));
        let expected = "name ip port runid flags link-pending-commands link-refcount last-ping-sent last-ok-ping-reply \
            last-ping-reply down-after-milliseconds info-refresh role-reported role-reported-time config-epoch num-slaves \
            num-other-sentinels quorum failover-timeout parallel-syncs";
        assert_eq!(keys, expected);
        let id = |n| crate::core::ids::RunId::from_number(n);
        let expected =
            format!("mymaster 127.0.0.1 6379 {} master 0 1 0 100 100 1000 2000 master 9000 3 2 2 2 180000 1", id(1));
        assert_eq!(values, expected);

        let (keys, values) = keys_and_values(&replica(&mymaster.replicas[0], mymaster, now));
        let expected = "name ip port runid flags link-pending-commands link-refcount last-ping-sent last-ok-ping-reply \
            last-ping-reply down-after-milliseconds info-refresh role-reported role-reported-time master-link-down-time \
            master-link-status master-host master-port slave-priority slave-repl-offset replica-announced";
        assert_eq!(keys, expected);
        let expected = format!(
            "127.0.0.1:6380 127.0.0.1 6380 {} slave 0 1 0 100 100 1000 2000 slave 9000 0 ok 127.0.0.1 6379 100 4242 1",
            id(2)
        );
        assert_eq!(values, expected);

        let (keys, values) = keys_and_values(&sentinel(&mymaster.sentinels[0], mymaster, now));
        let expected = "name ip port runid flags link-pending-commands link-refcount last-ping-sent last-ok-ping-reply \
            last-ping-reply down-after-milliseconds last-hello-message voted-leader voted-leader-epoch";
        assert_eq!(keys, expected);
        let expected = format!("{0} 127.0.0.1 26380 {0} sentinel 0 1 0 100 100 1000 500 ? 0", id(21));
        assert_eq!(values, expected);
    }

    #[test]
    fn a_failover_shows_at_its_places() {
        let (view, now) = (testing::view(), testing::NOW);
        let mut mymaster = (*view.masters[&"mymaster".into()]).clone();
        mymaster.failover_state = Some("wait_promotion");
        mymaster.instance.down_since = Some(Millis(now.0 - 7));
        mymaster.instance.objectively_down_since = Some(Millis(now.0 - 5));
        mymaster.instance.ping_sent = Some(Millis(now.0 - 9));
        mymaster.instance.flags.disconnected = true;
        mymaster.instance.flags.failover_in_progress = true;
        mymaster.settings.notification_script = Some("/n".into());
        let (keys, values) = keys_and_values(&master(&mymaster, now));
        assert!(keys.contains("link-refcount failover-state last-ping-sent"), "{keys}");
        assert!(keys.contains("last-ping-reply s-down-time o-down-time down-after-milliseconds"), "{keys}");
        assert!(keys.ends_with("parallel-syncs notification-script"), "{keys}");
        assert!(
            values.contains(
                "s_down,o_down,master,disconnected,failover_in_progress 0 1 wait_promotion 9 100 100 7 5 1000"
            ),
            "{values}"
        );
    }
}
