//! Lines of `sentinel.conf`, and which of the two starts with them.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use testbed::redis::Client;
use testbed::{Process, Scratch, eventually, ports};

const SOON: Duration = Duration::from_secs(20);

/// How the two take a file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Like {
    /// Both start, or both refuse with the same exit code.
    Same,
    /// Ours refuses what is most likely a mistake, where Redis reads it as something else.
    OursRefuses,
    /// Ours takes what Redis wrote itself, or what means nothing.
    OursTakes,
}

use Like::{OursRefuses, OursTakes, Same};

/// How a program ends with these lines: its exit code, or none when it serves.
pub(crate) fn start(program: &Path, lines: &str) -> Option<i32> {
    let dir = Scratch::new("file").unwrap();
    let port = ports::free().unwrap();
    let text = format!("port {port}\nbind 127.0.0.1\ndir {}\n{lines}\n", dir.path().display());
    let mut command = Command::new(program);
    command.arg(dir.write("sentinel.conf", text).unwrap());
    let mut process = Process::spawn("file", command).unwrap();
    let mut ended = None;
    eventually(SOON, &format!("it to serve or to end with {lines:?}"), || {
        ended = process.ended();
        ended.is_some() || Client::to(port).and_then(|mut c| c.call(&["PING"])).is_ok()
    });
    // One that ends by a signal has a code of neither.
    ended.map(|status| status.code().unwrap_or(-1))
}

pub(crate) const FILES: &[(&str, Like)] = &[
    ("", Same),
    (M, Same),
    ("sentinel monitor m 127.0.0.1 1 2\nsentinel monitor m 127.0.0.1 2 2", Same),
    ("sentinel monitor m 127.0.0.1 1 2\nsentinel monitor n 127.0.0.1 1 1", Same),
    ("sentinel monitor m 127.0.0.1 1 0", Same),
    ("sentinel monitor m 127.0.0.1 99999 1", Same),
    ("sentinel monitor m nosuch.invalid 1 1", Same),
    ("sentinel resolve-hostnames yes\nsentinel monitor m nosuch.invalid 1 1", Same),
    ("sentinel monitor m 127.0.0.1 1", Same),
    ("sentinel monitor", Same),
    ("sentinel foo bar", Same),
    ("sentinel monitor m 127.0.0.1 1 2\nsentinel down-after-milliseconds m 0", Same),
    ("sentinel monitor m 127.0.0.1 1 2\nsentinel down-after-milliseconds m -1", Same),
    ("sentinel monitor m 127.0.0.1 1 2\nsentinel down-after-milliseconds n 1000", Same),
    ("sentinel monitor m 127.0.0.1 1 2\nsentinel down-after-miliseconds m 1", Same),
    ("sentinel down-after-milliseconds m 6\nsentinel monitor m 127.0.0.1 1 2", Same),
    ("sentinel monitor m 127.0.0.1 1 2\nSENTINEL Down-After-Milliseconds m 5", Same),
    ("sentinel monitor m 127.0.0.1 1 2\nsentinel failover-timeout m 99999999999999999999", Same),
    ("sentinel monitor m 127.0.0.1 1 2\nsentinel notification-script m /nosuch", Same),
    ("sentinel monitor m 127.0.0.1 1 2\nsentinel known-sentinel m 127.0.0.1 5", Same),
    ("sentinel monitor m 127.0.0.1 1 2\nsentinel config-epoch m 5\nsentinel leader-epoch m 6", Same),
    ("sentinel monitor m 127.0.0.1 1 2\nsentinel auth-pass m", Same),
    ("sentinel monitor m 127.0.0.1 1 2\nsentinel auth-pass m a b", Same),
    ("sentinel monitor m 127.0.0.1 1 2\nsentinel rename-command m A A", Same),
    ("sentinel monitor m 127.0.0.1 1 2\nsentinel master-reboot-down-after-period m -1", Same),
    ("sentinel myid short", Same),
    ("sentinel current-epoch 5\nsentinel announce-ip 1.2.3.4", Same),
    ("sentinel deny-scripts-reconfig maybe", Same),
    ("sentinel resolve-hostnames maybe", Same),
    ("sentinel sentinel-user x\nsentinel sentinel-pass x\nsentinel announce-hostnames yes", Same),
    ("nosuch 1", Same),
    ("port", Same),
    ("port x", Same),
    ("port 70000", Same),
    ("bind", Same),
    ("bind nonsense", Same),
    ("bind 127.0.0.1 \"", Same),
    ("maxclients 0", Same),
    ("maxclients x", Same),
    ("timeout -1", Same),
    ("protected-mode maybe", Same),
    ("loglevel foo", Same),
    ("daemonize maybe", Same),
    ("include /nosuch", Same),
    ("aclfile /nosuch", Same),
    ("requirepass \"\"\nacllog-max-len 5\nlogfile \"\"\nsyslog-enabled no\ntls-port 0", Same),
    ("appendonly yes\nmaxmemory 5\nreplicaof 127.0.0.1 5\nsave 900 1\ndatabases 5\nrename-command PING x", Same),
    ("user bob on +ping", Same),
    ("user bob on (+ping)", Same),
    ("user bob on ( +ping ~a ) (allcommands)", Same),
    ("user bob on (+ping", Same),
    ("user bob on (on)", Same),
    ("user bob on +get", Same),
    ("user bob on +sentinel|nosuch", Same),
    ("user bob on +ping|x", Same),
    ("user bob on ~* ~a", Same),
    ("user bob on &* &a", Same),
    ("user bob on <x", Same),
    ("user bob foo", Same),
    ("user bob on +ping\nuser bob off", Same),
    ("user bob", Same),
    ("user \"b b\" on", Same),
    ("user", Same),
    ("sentinel", OursRefuses),
    ("sentinel monitor m 127.0.0.1 0 1", OursRefuses),
    ("sentinel monitor \"a b\" 127.0.0.1 1 1", OursRefuses),
    ("sentinel monitor m 127.0.0.1 1 2\nsentinel down-after-milliseconds m 1000x", OursRefuses),
    ("sentinel monitor m 127.0.0.1 1 2\nsentinel parallel-syncs m 0", OursRefuses),
    ("sentinel monitor m 127.0.0.1 1 2\nsentinel known-sentinel m 127.0.0.1 5 short", OursRefuses),
    ("sentinel monitor m 127.0.0.1 1 2\nsentinel config-epoch m x", OursRefuses),
    ("sentinel current-epoch x", OursRefuses),
    ("sentinel announce-port 70000", OursRefuses),
    (
        "sentinel monitor m 127.0.0.1 1 2\nsentinel known-replica m 127.0.0.1 5\nsentinel known-slave m 127.0.0.1 5",
        OursTakes,
    ),
    ("sentinel monitor m 127.0.0.1 1 2\nsentinel known-replica m nosuch.invalid 5", OursTakes),
    ("sentinel monitor m 127.0.0.1 1 2\nsentinel rename-command m A B\nsentinel rename-command m A B", OursTakes),
    ("rename-command FOO BAR", OursTakes),
];

const M: &str =
    "sentinel monitor m 127.0.0.1 1 2\nsentinel down-after-milliseconds m 5000\nsentinel parallel-syncs m 2";
