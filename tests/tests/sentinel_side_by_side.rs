//! Ours beside Debian's redis-sentinel: the same commands, bytes, files and a failover are given to both, and what they
//! say is held against each other. Where they differ, and are meant to, is written down, and that they do is a test too.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

#[path = "sentinel_side_by_side/files.rs"]
mod files;
#[path = "sentinel_side_by_side/told.rs"]
mod told;
#[path = "sentinel_side_by_side/wire.rs"]
mod wire;

use std::path::Path;
use std::time::Duration;

use testbed::redis::{Group, Sentinel, Server};
use testbed::{eventually, tree};
use wire::{Part, Wire, text};

const SOON: Duration = Duration::from_secs(30);
const SCRIPT: &str = include_str!("sentinel_side_by_side/commands.txt");

/// A sentinel with a master and a replica of its own, so that the two never meet.
struct Side {
    master: Server,
    replica: Server,
    sentinel: Sentinel,
}

impl Side {
    fn start(program: &Path, lines: &str) -> Side {
        let master = Server::start("master", &[]);
        let replica = Server::replica("replica", &master, &[]);
        replica.synced();
        let watch =
            format!("sentinel monitor m 127.0.0.1 {} 1\n{lines}\nsentinel myid {}", master.port(), "a".repeat(40));
        let sentinel = Sentinel::start("sentinel", program, &watch);
        Side { master, replica, sentinel }
    }

    fn both(lines: &str) -> [Side; 2] {
        [Group::theirs(), Group::ours()].map(|program| Side::start(&program, lines))
    }

    /// Waits until the replica has reported.
    fn settled(&self) {
        self.sentinel.knows("m", 1, 0);
        let reported = || {
            let replicas = self.sentinel.client().call(&["SENTINEL", "REPLICAS", "m"]).unwrap();
            replicas.items()[0].items().iter().any(|field| field.text() == "ok")
        };
        eventually(SOON, "the replica to have reported", reported);
    }

    fn wire(&self) -> Wire {
        Wire::to(self.sentinel.port())
    }

    /// What stands for the ports of this side in the script, and in what it answers.
    fn ports(&self) -> [(&'static str, String); 3] {
        [("$MASTER", self.master.port()), ("$REPLICA", self.replica.port()), ("$PORT", self.sentinel.port())]
            .map(|(name, port)| (name, port.to_string()))
    }

    /// The words of a line; in quotes they may hold spaces, or nothing.
    fn words(&self, line: &str) -> Vec<String> {
        let line = self.ports().iter().fold(line.to_owned(), |line, (name, port)| line.replace(name, port));
        let (mut words, mut quoted) = (Vec::new(), false);
        for part in line.split('"') {
            if quoted {
                words.push(part.to_owned());
            } else {
                words.extend(part.split_whitespace().map(str::to_owned));
            }
            quoted = !quoted;
        }
        words
    }

    /// A reply without what is of this side and moment.
    fn plain(&self, reply: Part) -> Part {
        match reply {
            Part::Text(kind, text) => {
                let text = self.ports().iter().fold(text, |text, (name, port)| text.replace(port, name));
                Part::Text(kind, text)
            }
            Part::List(kind, parts) => {
                let mut plain: Vec<Part> = Vec::new();
                for part in parts {
                    let of_the_moment = plain.last().is_some_and(|key| OF_THE_MOMENT.contains(&key.text()));
                    plain.push(match part {
                        Part::Text(kind, _) if of_the_moment => Part::Text(kind, "*".to_owned()),
                        part => self.plain(part),
                    });
                }
                Part::List(kind, plain)
            }
        }
    }
}

/// Fields whose values are of a server or a moment. The version is that whose commands the port has: ours are of 7.2.
const OF_THE_MOMENT: [&str; 15] = [
    "age-seconds",
    "client-info",
    "id",
    "info-refresh",
    "last-hello-message",
    "last-ok-ping-reply",
    "last-ping-reply",
    "last-ping-sent",
    "link-pending-commands",
    "master-link-down-time",
    "role-reported-time",
    "runid",
    "s-down-time",
    "slave-repl-offset",
    "version",
];

/// How the replies to a line are held against each other: by its first letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Like {
    /// They are the same.
    Same,
    /// `~`: the same in some order; Redis' is that of a hash table.
    Shuffled,
    /// `<`: ours holds all of theirs, and more.
    More,
    /// `!`: they differ, and are meant to.
    Different,
}

fn line(line: &str) -> Option<(Like, &str)> {
    let like = match line.trim().chars().next()? {
        '#' => return None,
        '~' => Like::Shuffled,
        '<' => Like::More,
        '!' => Like::Different,
        _ => return Some((Like::Same, line.trim())),
    };
    Some((like, line.trim()[1..].trim()))
}

fn sorted(part: &Part) -> Part {
    match part {
        Part::List(kind, parts) => {
            let mut parts: Vec<Part> = parts.iter().map(sorted).collect();
            parts.sort();
            Part::List(*kind, parts)
        }
        text => text.clone(),
    }
}

/// What is wrong with a pair of replies.
fn complaint(like: Like, theirs: &Part, ours: &Part) -> Option<String> {
    let fits = match like {
        Like::Same => theirs == ours,
        Like::Shuffled => sorted(theirs) == sorted(ours),
        Like::More => !theirs.parts().is_empty() && theirs.parts().iter().all(|part| ours.parts().contains(part)),
        Like::Different => theirs != ours,
    };
    (!fits).then(|| format!("{like:?}\n  redis-sentinel: {theirs:?}\n  ours:           {ours:?}"))
}

/// Goes through the script with both, in a version of the protocol; what is wrong, and how many lines were held against
/// each other.
fn run(sides: &[Side; 2], version: &str) -> (Vec<String>, usize) {
    let fresh = || {
        let mut wires = [sides[0].wire(), sides[1].wire()];
        wires.iter_mut().for_each(|wire| drop(wire.call(&["HELLO".to_owned(), version.to_owned()])));
        wires
    };
    let (mut wires, mut complaints, mut count) = (fresh(), Vec::new(), 0);
    for (number, raw) in SCRIPT.lines().enumerate() {
        let Some((like, line)) = line(raw) else { continue };
        if line == "(another connection)" {
            wires = fresh();
            continue;
        }
        let [theirs, ours] = [0, 1].map(|side| {
            let reply = wires[side].call(&sides[side].words(line));
            sides[side].plain(reply)
        });
        let what = complaint(like, &theirs, &ours);
        complaints.extend(what.map(|what| format!("line {}, version {version}: {line}: {what}", number + 1)));
        count += 1;
    }
    (complaints, count)
}

#[test]
fn the_same_commands_get_the_same_replies() {
    let sides = Side::both("sentinel failover-timeout m 5000");
    sides.iter().for_each(Side::settled);
    for version in ["2", "3"] {
        let (complaints, count) = run(&sides, version);
        println!("version {version}: {count} commands");
        assert!(count > 250, "{count}");
        assert!(complaints.is_empty(), "{} of {count}:\n{}", complaints.len(), complaints.join("\n"));
    }
}

/// Bytes on a connection of their own.
const BYTES: &[&[u8]] = &[
    b"PING\r\nping\n\r\n\r\nPiNg \"a b\"\r\nPING 'a\\'b'\r\nPING \"\\x41\\n\"\r\n",
    b"PING \"a\r\n",
    b"*x\r\n",
    b"*-1\r\n*0\r\nPING\r\n",
    b"*1\r\n+PING\r\n",
    b"*1\r\n$x\r\n",
    b"*1\r\n$-1\r\n",
    b"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nping\r\n*3\r\n$4\r\nPING\r\n$1\r\nx\r\n$1\r\ny\r\n",
    b"*1\r\n$0\r\n\r\n\"\"\r\n",
    &[b'A'; 200_000],
    &[b'*'; 200_000],
    b"GET / HTTP/1.1\r\n\r\n",
    b"POST / HTTP/1.1\r\n\r\n",
    b"Host: x\r\n",
    b"FOO \"a\\r\\nb\"\r\nSENTINEL \"F\\nO\" x\r\n",
    b"HELLO 5 SETNAME x\r\nHELLO 2 SETNAME\r\nHELLO x\r\nAUTH\r\nAUTH a b c\r\n",
    b"SUBSCRIBE a b a\r\nPING\r\nPING x\r\nSENTINEL MYID\r\nUNSUBSCRIBE a\r\nUNSUBSCRIBE\r\nPING\r\n",
    b"PSUBSCRIBE a*\r\nPUNSUBSCRIBE\r\nPUNSUBSCRIBE\r\nUNSUBSCRIBE x\r\nPING\r\n",
    b"SUBSCRIBE a\r\nHELLO 3\r\nQUIT\r\nRESET\r\nFOO\r\nSUBSCRIBE\r\nSENTINEL\r\nPUBLISH a\r\n",
    b"CLIENT REPLY OFF\r\nPING\r\nCLIENT REPLY SKIP\r\nPING\r\nCLIENT REPLY ON\r\nPING\r\n",
    b"CLIENT REPLY SKIP\r\nPING\r\nPING\r\n",
    b"CLIENT KILL ID 0\r\nCLIENT KILL TYPE pubsub SKIPME no\r\n",
    b"SHUTDOWN SAVE NOSAVE\r\nSHUTDOWN FOO\r\nSHUTDOWN ABORT NOW\r\nSHUTDOWN ABORT\r\nSHUTDOWN NOW FORCE FOO\r\n",
    // For those that want a password.
    b"PING\r\nAUTH bad\r\nAUTH nobody x\r\nSENTINEL FOO\r\nSENTINEL MYID\r\nNOSUCH\r\nSUBSCRIBE a\r\n",
    b"AUTH hunter2\r\nPING\r\nACL WHOAMI\r\nAUTH bob x\r\nACL WHOAMI\r\nSENTINEL MYID\r\nROLE\r\nINFO nosuch\r\n",
    b"AUTH bob x\r\nSUBSCRIBE +sdown\r\nSUBSCRIBE -sdown\r\nPSUBSCRIBE *\r\nPSUBSCRIBE +*\r\n",
    b"AUTH bob x\r\nPUBLISH a b\r\nPUBLISH +a b\r\n",
    b"AUTH off x\r\nAUTH amy \"\"\r\nACL WHOAMI\r\nSENTINEL MASTER nosuch\r\n",
    b"*11\r\n",
];

#[test]
fn the_same_bytes_get_the_same_bytes() {
    let locked = "requirepass hunter2\nuser bob on >x &+* +ping +subscribe +psubscribe +publish +acl|whoami (+sentinel|myid) \
                  ( +@all -role -sentinel resetchannels )\nuser off off >x\nuser amy on nopass +@all -@dangerous";
    // Of what is too much for anybody ours says before a login that it is too much before a login. A greeting is refused
    // where there is a password, and differs by the version it tells where there is none.
    let open: &[&[u8]] = &[b"*2147483648\r\n", b"*1\r\n$536870913\r\n"];
    let refused: &[&[u8]] = &[b"*1\r\n$20000\r\n", b"HELLO 2\r\nHELLO 3 SETNAME x\r\nHELLO 3 AUTH default bad\r\n"];
    let mut complaints = Vec::new();
    for (lines, more) in [("", open), (locked, refused)] {
        let sides = Side::both(lines);
        for sent in BYTES.iter().chain(more) {
            let [theirs, ours] = [0, 1].map(|side| text(&sides[side].wire().talk(sent)));
            // Redis 7.2 says where the version stands.
            let ours = ours.replace("the HELLO <proto> AUTH", "the HELLO AUTH");
            if ours != theirs {
                let sent = text(sent);
                complaints.push(format!(
                    "{sent:?} with {lines:?}:\n  redis-sentinel: {theirs:?}\n  ours:           {ours:?}"
                ));
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn a_failover_is_told_in_the_same_words() {
    let [theirs, ours] = [Group::theirs(), Group::ours()].map(|program| told::failover(&program));
    assert!(theirs.events.len() > 15 && theirs.reconfigured.len() == 1, "{theirs:?}");
    for (ours, theirs) in
        [(ours.events, theirs.events), (ours.notified, theirs.notified), (ours.reconfigured, theirs.reconfigured)]
    {
        assert!(ours == theirs, "ours:\n{}\nredis-sentinel:\n{}", ours.join("\n"), theirs.join("\n"));
    }
}

#[test]
fn the_same_files_are_refused() {
    let mut complaints = Vec::new();
    for (lines, like) in files::FILES {
        let [theirs, ours] = [Group::theirs(), tree::built("mainstay-sentinel")].map(|p| files::start(&p, lines));
        let fits = match like {
            files::Like::Same => theirs == ours,
            files::Like::OursRefuses => (theirs.is_none(), ours) == (true, Some(1)),
            files::Like::OursTakes => (theirs, ours.is_none()) == (Some(1), true),
        };
        if !fits {
            complaints.push(format!("{lines:?}: {like:?}: redis-sentinel {theirs:?}, ours {ours:?}"));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
