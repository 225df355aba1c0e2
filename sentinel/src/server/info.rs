//! `INFO`: the sections that a sentinel has, in Redis' format. Fields of a Redis server that a sentinel has nothing to
//! say about are left out.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use super::clients::Clients;
use super::{Identity, REDIS_VERSION};
use crate::core::ids::Millis;
use crate::view::{MasterView, View};

/// What the text is made from.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) view: &'a View,
    pub(super) now: Millis,
    pub(super) clients: &'a Clients,
    pub(super) max_clients: usize,
    pub(super) identity: &'a Identity,
    pub(super) port: u16,
}

type Section = fn(&Source<'_>, &mut String);

const SECTIONS: [(&str, Section); 6] = [
    ("Server", server),
    ("Clients", clients),
    ("Stats", stats),
    ("CPU", cpu),
    ("State", state),
    ("Sentinel", sentinel),
];

/// The sections asked for, in their own order; all of them if none is named.
pub(super) fn text(wanted: &[String], source: &Source<'_>) -> String {
    let all = wanted.is_empty() || wanted.iter().any(|w| matches!(w.as_str(), "default" | "all" | "everything"));
    let mut parts = Vec::new();
    for (name, write) in SECTIONS {
        if all || wanted.contains(&name.to_ascii_lowercase()) {
            let mut part = format!("# {name}\r\n");
            write(source, &mut part);
            parts.push(part);
        }
    }
    parts.join("\r\n")
}

fn field(out: &mut String, name: &str, value: impl std::fmt::Display) {
    let _ = write!(out, "{name}:{value}\r\n");
}

fn server(source: &Source<'_>, out: &mut String) {
    let identity = source.identity;
    let uptime = source.now.since(identity.started) / 1000;
    field(out, "redis_version", REDIS_VERSION);
    field(out, "mainstay_version", env!("CARGO_PKG_VERSION"));
    field(out, "redis_mode", "sentinel");
    field(out, "os", std::env::consts::OS);
    field(out, "arch_bits", usize::BITS);
    field(out, "process_id", std::process::id());
    field(out, "run_id", source.view.me);
    field(out, "tcp_port", source.port);
    field(out, "uptime_in_seconds", uptime);
    field(out, "uptime_in_days", uptime / 86_400);
    field(out, "executable", &identity.executable);
    field(out, "config_file", &identity.config_file);
}

fn clients(source: &Source<'_>, out: &mut String) {
    field(out, "connected_clients", source.clients.count());
    field(out, "maxclients", source.max_clients);
    field(out, "blocked_clients", 0);
}

fn stats(source: &Source<'_>, out: &mut String) {
    let counters = &source.clients.counters;
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    field(out, "total_connections_received", read(&counters.accepted));
    field(out, "total_commands_processed", read(&counters.commands));
    field(out, "total_net_input_bytes", read(&counters.bytes_in));
    field(out, "total_net_output_bytes", read(&counters.bytes_out));
    field(out, "rejected_connections", read(&counters.rejected));
    field(out, "total_error_replies", read(&counters.errors));
}

/// From the kernel's own count, in hundredths of a second; nothing where there is none.
fn cpu(_: &Source<'_>, out: &mut String) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The program's name is in brackets and may hold anything; the 14th and 15th fields are user and system time.
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let ticks: Vec<u64> = after.split_ascii_whitespace().skip(11).take(4).filter_map(|t| t.parse().ok()).collect();
    if let [user, system, user_children, system_children] = ticks[..] {
        let hundredths = |ticks: u64| format!("{}.{:02}0000", ticks / 100, ticks % 100);
        field(out, "used_cpu_sys", hundredths(system));
        field(out, "used_cpu_user", hundredths(user));
        field(out, "used_cpu_sys_children", hundredths(system_children));
        field(out, "used_cpu_user_children", hundredths(user_children));
    }
}

/// Whether what a restart must find is on the disk.
fn state(source: &Source<'_>, out: &mut String) {
    let unsaved = source.view.unsaved.as_deref();
    field(out, "state_save_status", if unsaved.is_some() { "err" } else { "ok" });
    field(out, "state_save_error", unsaved.unwrap_or_default());
}

fn sentinel(source: &Source<'_>, out: &mut String) {
    let view = source.view;
    let since = view.tilt_since.map_or_else(|| "-1".to_owned(), |at| (source.now.since(at) / 1000).to_string());
    let running = view.scripts.iter().filter(|script| script.running.is_some()).count();
    let simulated = u8::from(view.simulated.after_election) | u8::from(view.simulated.after_promotion) << 1;
    field(out, "sentinel_masters", view.masters.len());
    field(out, "sentinel_tilt", u8::from(view.tilt_since.is_some()));
    field(out, "sentinel_tilt_since_seconds", since);
    field(out, "sentinel_running_scripts", running);
    field(out, "sentinel_scripts_queue_length", view.scripts.len());
    field(out, "sentinel_simulate_failure_flags", simulated);
    for (at, master) in view.masters.values().enumerate() {
        let _ = write!(out, "master{at}:{}\r\n", line(master));
    }
}

fn line(master: &MasterView) -> String {
    let status = match (&master.instance.objectively_down_since, &master.instance.down_since) {
        (Some(_), _) => "odown",
        (None, Some(_)) => "sdown",
        (None, None) => "ok",
    };
    let address = &master.instance.address;
    format!(
        "name={},status={status},address={}:{},slaves={},sentinels={}",
        master.name,
        address.host,
        address.port,
        master.replicas.len(),
        master.sentinels.len() + 1
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use std::sync::Arc;

    fn info(view: &View, sections: &[&str]) -> String {
        let identity = Identity { executable: "/bin/x".into(), config_file: "/etc/s.conf".into(), started: Millis(0) };
        let clients = Clients::default();
        let wanted: Vec<String> = sections.iter().map(|s| (*s).to_owned()).collect();
        text(
            &wanted,
            &Source { view, now: testing::NOW, clients: &clients, max_clients: 7, identity: &identity, port: 1 },
        )
    }

    #[test]
    fn the_sentinel_section_as_redis_sentinel_writes_it() {
        let mut view = testing::view();
        let expected = "# Sentinel\r\nsentinel_masters:2\r\nsentinel_tilt:0\r\nsentinel_tilt_since_seconds:-1\r\n\
            sentinel_running_scripts:0\r\nsentinel_scripts_queue_length:0\r\nsentinel_simulate_failure_flags:0\r\n\
            master0:name=mymaster,status=ok,address=127.0.0.1:6379,slaves=2,sentinels=3\r\n\
            master1:name=other,status=ok,address=10.0.0.9:6379,slaves=0,sentinels=1\r\n";
        assert_eq!(info(&view, &["sentinel"]), expected);
        view.tilt_since = Some(Millis(testing::NOW.0 - 2500));
        Arc::make_mut(view.masters.get_mut(&"other".into()).unwrap()).instance.down_since = Some(testing::NOW);
        let text = info(&view, &["sentinel"]);
        assert!(text.contains("sentinel_tilt:1\r\nsentinel_tilt_since_seconds:2\r\n") && text.contains("status=sdown"));
    }

    #[test]
    fn a_disk_that_refuses_shows() {
        let mut view = testing::view();
        assert_eq!(info(&view, &["state"]), "# State\r\nstate_save_status:ok\r\nstate_save_error:\r\n");
        view.unsaved = Some("writing /s/state: the disk is full".into());
        let expected = "# State\r\nstate_save_status:err\r\nstate_save_error:writing /s/state: the disk is full\r\n";
        assert_eq!(info(&view, &["state"]), expected);
    }

    #[test]
    fn sections_by_name() {
        let view = testing::view();
        assert_eq!(info(&view, &["nosuch"]), "");
        let all = info(&view, &[]);
        let heads: Vec<&str> = all.lines().filter(|line| line.starts_with('#')).collect();
        assert_eq!(heads, ["# Server", "# Clients", "# Stats", "# CPU", "# State", "# Sentinel"]);
        assert_eq!(info(&view, &["everything"]).lines().count(), all.lines().count());
        assert!(all.contains("redis_mode:sentinel\r\n") && all.contains("uptime_in_seconds:100\r\n"));
    }
}
