//! What a sentinel tells of a failover: its events in order, and what its scripts are called with.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use testbed::redis::{Client, Sentinel, Server};
use testbed::{Scratch, eventually};

const SOON: Duration = Duration::from_secs(30);

/// All that was told, with the ports' parts in place of the ports.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// Channel and payload, in order, from the death of the master until it is held for down as a replica. Without
    /// changes of role, which are told when a report says so: ours has often heard of the promotion before. Replicas that
    /// become known together come in any order.
    pub(crate) events: Vec<String>,
    /// What the notification script was called with, in any order: scripts run side by side.
    pub(crate) notified: Vec<String>,
    /// What the script for clients was called with.
    pub(crate) reconfigured: Vec<String>,
}

/// Kills the master of one that decides alone over a master and two replicas.
pub(crate) fn failover(program: &Path) -> Told {
    let mut master = Server::start("master", &[]);
    let replicas = ["replica-1", "replica-2"].map(|name| Server::replica(name, &master, &[]));
    replicas.iter().for_each(Server::synced);
    let dir = Scratch::new("told").unwrap();
    let lines = format!(
        "sentinel monitor m 127.0.0.1 {} 1\nsentinel down-after-milliseconds m 2500\nsentinel failover-timeout m 20000\n\
         sentinel myid {}\nsentinel notification-script m {}\nsentinel client-reconfig-script m {}",
        master.port(),
        "a".repeat(40),
        script(&dir, "notified"),
        script(&dir, "reconfigured")
    );
    let sentinel = Sentinel::start("sentinel", program, &lines);
    sentinel.knows("m", 2, 0);
    let reported = || {
        let replicas = sentinel.client().call(&["SENTINEL", "REPLICAS", "m"]).unwrap();
        replicas.items().iter().all(|r| r.items().iter().any(|field| field.text() == "ok"))
    };
    eventually(SOON, "the replicas to have reported", reported);
    let mut listener = Client::within(sentinel.port(), SOON).unwrap();
    listener.call(&["PSUBSCRIBE", "*"]).unwrap();
    master.process().kill().unwrap();
    let mut heard = Vec::new();
    while !heard.last().is_some_and(|last: &String| last.starts_with("+sdown slave")) {
        let message = listener.reply().unwrap();
        heard.push(format!("{} {}", message.items()[2].text(), message.items()[3].text()));
    }
    heard.retain(|event| !event[1..].starts_with("role-change "));
    let old = master.port();
    let new = sentinel.master("m").unwrap();
    let other = replicas.iter().map(Server::port).find(|port| *port != new).unwrap();
    let plain = |lines: Vec<String>| -> Vec<String> {
        let parts = [(old, "OLD"), (new, "NEW"), (other, "OTHER")];
        let named = |line: String| parts.iter().fold(line, |line, (port, part)| line.replace(&port.to_string(), part));
        lines.into_iter().map(named).collect()
    };
    let called = |name: &str| {
        let mut lines: Vec<String> =
            std::fs::read_to_string(dir.join(name)).unwrap_or_default().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    eventually(SOON, "the scripts to have run", || {
        called("notified").iter().any(|line| line.starts_with("+sdown slave"))
    });
    let waiting = || sentinel.client().call(&["SENTINEL", "PENDING-SCRIPTS"]).unwrap().items().len();
    eventually(SOON, "all of them to have run", || waiting() == 0);
    let (mut events, mut notified) = (plain(heard), plain(called("notified")));
    let first = events.iter().position(|event| event.starts_with("+slave ")).unwrap();
    events[first..first + 2].sort();
    notified.sort();
    Told { events, notified, reconfigured: plain(called("reconfigured")) }
}

/// A script that notes its arguments in a file of its name.
fn script(dir: &Scratch, name: &str) -> String {
    let text = format!("#!/bin/sh\necho \"$@\" >> {}\n", dir.join(name).display());
    let path = dir.write(format!("{name}.sh"), text).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}
