//! Hosts of one's own: network namespaces on a bridge, cut apart by nftables.
//!
//! A proxy bends one connection; only a real network shows what a partition does to programs that each connect to the
//! others. Needs root, `ip` (iproute2) and `nft` (nftables). The bridge has a namespace of its own, so nothing here
//! touches the machine's network, and the addresses are the ones reserved for documentation.

use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A few hosts that reach each other until told otherwise. Dropping it kills what runs on them and removes them.
#[derive(Debug)]
pub struct Hosts {
    tag: String,
    names: Vec<String>,
}

impl Hosts {
    /// Makes hosts of these names, at most 200.
    ///
    /// # Errors
    /// Without root, `ip` or `nft`, or when the kernel refuses: with the command and what it said.
    pub fn new(names: &[&str]) -> io::Result<Hosts> {
        let tag = format!("ms{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let hosts = Hosts { tag, names: names.iter().map(|&n| n.to_owned()).collect() };
        let hub = hosts.hub();
        run(&["ip", "netns", "add", &hub])?;
        run(&["ip", "-n", &hub, "link", "add", "hub", "type", "bridge"])?;
        run(&["ip", "-n", &hub, "link", "set", "hub", "up"])?;
        for (i, name) in names.iter().enumerate() {
            hosts.add(&hub, name, &format!("p{i}"))?;
        }
        Ok(hosts)
    }

    /// The address of a host.
    ///
    /// # Panics
    /// When there is none of this name.
    pub fn ip(&self, name: &str) -> Ipv4Addr {
        let i = self.names.iter().position(|n| n == name).unwrap_or_else(|| panic!("no host {name}"));
        Ipv4Addr::new(198, 51, 100, 10 + i as u8)
    }

    /// A command that will run on this host.
    pub fn command(&self, name: &str, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.space(name)]).arg(program);
        command
    }

    /// Runs `f` on a thread that is on this host: what it binds or connects is there.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub fn on<T: Send>(&self, name: &str, f: impl FnOnce() -> T + Send) -> io::Result<T> {
        let space = File::open(format!("/run/netns/{}", self.space(name)))?;
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                move_into_link_name_space(std::os::fd::AsFd::as_fd(&space), Some(LinkNameSpaceType::Network))?;
                Ok(f())
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Drops what `from` sends to `to`; the other direction still flows.
    ///
    /// # Errors
    /// When `nft` refuses.
    pub fn drop_from(&self, from: &str, to: &str) -> io::Result<()> {
        self.rule(from, to, &[])
    }

    /// Drops so many of a hundred packets between two hosts, each way by chance: 1 to 99.
    ///
    /// # Errors
    /// When `nft` refuses.
    pub fn lose_between(&self, a: &str, b: &str, percent: u8) -> io::Result<()> {
        let some = ["numgen", "random", "mod", "100", "<", &percent.to_string()];
        self.rule(a, b, &some)?;
        self.rule(b, a, &some)
    }

    /// Drops what `from` sends to `to`, and is such.
    fn rule(&self, from: &str, to: &str, such: &[&str]) -> io::Result<()> {
        let (space, source) = (self.space(to), self.ip(from).to_string());
        let (add, of) =
            (["netns", "exec", &space, "nft", "add", "rule", "inet", "cut", "in"], ["ip", "saddr", &source]);
        run(&[&["ip"], &add[..], &of, such, &["counter", "drop"]].concat())
    }

    /// Drops everything between two hosts.
    ///
    /// # Errors
    /// When `nft` refuses.
    pub fn drop_between(&self, a: &str, b: &str) -> io::Result<()> {
        self.drop_from(a, b)?;
        self.drop_from(b, a)
    }

    /// Drops everything between the hosts of one side and those of the other.
    ///
    /// # Errors
    /// When `nft` refuses.
    pub fn partition(&self, one: &[&str], other: &[&str]) -> io::Result<()> {
        one.iter().flat_map(|a| other.iter().map(move |b| (a, b))).try_for_each(|(a, b)| self.drop_between(a, b))
    }

    /// How many packets have been dropped on their way to this host since the last heal: a partition that dropped nothing
    /// has tested nothing.
    ///
    /// # Errors
    /// When `nft` refuses.
    pub fn dropped(&self, to: &str) -> io::Result<u64> {
        let space = self.space(to);
        let text = output(&["ip", "netns", "exec", &space, "nft", "list", "chain", "inet", "cut", "in"])?;
        let counts =
            text.lines().filter_map(|l| l.split("counter packets ").nth(1)?.split(' ').next()?.parse::<u64>().ok());
        Ok(counts.sum())
    }

    /// Lets everything flow again.
    ///
    /// # Errors
    /// When `nft` refuses.
    pub fn heal(&self) -> io::Result<()> {
        self.names.iter().try_for_each(|n| {
            run(&["ip", "netns", "exec", &self.space(n), "nft", "flush", "chain", "inet", "cut", "in"])
        })
    }

    fn add(&self, hub: &str, name: &str, port: &str) -> io::Result<()> {
        let (space, ip) = (self.space(name), format!("{}/24", self.ip(name)));
        run(&["ip", "netns", "add", &space])?;
        run(&["ip", "-n", hub, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", &space])?;
        run(&["ip", "-n", hub, "link", "set", port, "master", "hub", "up"])?;
        run(&["ip", "-n", &space, "addr", "add", &ip, "dev", "eth0"])?;
        run(&["ip", "-n", &space, "link", "set", "eth0", "up"])?;
        run(&["ip", "-n", &space, "link", "set", "lo", "up"])?;
        let nft = ["ip", "netns", "exec", &space, "nft"];
        run(&[&nft[..], &["add", "table", "inet", "cut"]].concat())?;
        let chain = "{ type filter hook input priority 0 ; }";
        run(&[&nft[..], &["add", "chain", "inet", "cut", "in", chain]].concat())
    }

    fn space(&self, name: &str) -> String {
        format!("{}-{name}", self.tag)
    }

    fn hub(&self) -> String {
        format!("{}-", self.tag)
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for space in self.names.iter().map(|n| self.space(n)).chain([self.hub()]) {
            let pids = output(&["ip", "netns", "pids", &space]).unwrap_or_default();
            for pid in pids.lines().filter_map(|l| Pid::from_raw(l.trim().parse().ok()?)) {
                // It may have ended since the list was made.
                let _ = kill_process(pid, Signal::KILL);
            }
            // A half-made set has some of them only.
            let _ = run(&["ip", "netns", "del", &space]);
        }
    }
}

fn run(command: &[&str]) -> io::Result<()> {
    output(command).map(|_| ())
}

fn output(command: &[&str]) -> io::Result<String> {
    let said =
        |why: String| io::Error::other(format!("`{}`: {why} (needs root, iproute2, nftables)", command.join(" ")));
    let out = Command::new(command[0]).args(&command[1..]).output().map_err(|e| said(e.to_string()))?;
    if !out.status.success() {
        return Err(said(String::from_utf8_lossy(&out.stderr).trim().to_owned()));
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::time::Duration;

    use super::*;
    use crate::{Process, eventually};

    const SOON: Duration = Duration::from_secs(10);

    fn reaches(hosts: &Hosts, from: &str, to: SocketAddr) -> bool {
        hosts.on(from, || TcpStream::connect_timeout(&to, Duration::from_millis(300)).is_ok()).unwrap()
    }

    #[test]
    fn hosts_reach_each_other_until_cut_apart() {
        let hosts = Hosts::new(&["a", "b", "c"]).unwrap();
        let listener = hosts.on("b", || TcpListener::bind((hosts.ip("b"), 0))).unwrap().unwrap();
        let b = listener.local_addr().unwrap();
        eventually(SOON, "the bridge forwards", || reaches(&hosts, "a", b));
        hosts.partition(&["a"], &["b"]).unwrap();
        assert!(!reaches(&hosts, "a", b) && reaches(&hosts, "c", b));
        assert!(hosts.dropped("b").unwrap() > 0);
        hosts.heal().unwrap();
        assert!(reaches(&hosts, "a", b));
        assert_eq!(hosts.dropped("b").unwrap(), 0);
    }

    #[test]
    fn one_way_is_one_way() {
        let hosts = Hosts::new(&["a", "b"]).unwrap();
        let listener = hosts.on("b", || TcpListener::bind((hosts.ip("b"), 0))).unwrap().unwrap();
        let addr = listener.local_addr().unwrap();
        let connect = || hosts.on("a", || TcpStream::connect_timeout(&addr, SOON)).unwrap();
        let mut a = connect().unwrap();
        let (mut b, _) = listener.accept().unwrap();
        hosts.drop_from("b", "a").unwrap();
        // What a sends arrives; what b sends does not, until the wire heals and TCP sends it again.
        a.write_all(b"x").unwrap();
        b.read_exact(&mut [0]).unwrap();
        b.write_all(b"y").unwrap();
        a.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        assert!(a.read(&mut [0]).is_err());
        assert!(hosts.dropped("a").unwrap() > 0);
        hosts.heal().unwrap();
        a.set_read_timeout(Some(SOON)).unwrap();
        a.read_exact(&mut [0]).unwrap();
    }

    #[test]
    fn some_are_lost_and_others_arrive() {
        let hosts = Hosts::new(&["a", "b"]).unwrap();
        let socket = |name| hosts.on(name, || std::net::UdpSocket::bind((hosts.ip(name), 0))).unwrap().unwrap();
        let (a, b) = (socket("a"), socket("b"));
        b.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let arrive = |count| {
            (0..count).for_each(|_| drop(a.send_to(b"x", b.local_addr().unwrap())));
            std::iter::from_fn(|| b.recv(&mut [0]).ok()).count()
        };
        eventually(SOON, "the bridge forwards", || arrive(1) == 1);
        hosts.lose_between("a", "b", 50).unwrap();
        // That less than a third of them is lost, or more than two thirds, happens once in a million runs.
        let arrived = arrive(200);
        assert!((67..=133).contains(&arrived), "{arrived} of 200");
        assert_eq!(hosts.dropped("b").unwrap() as usize, 200 - arrived);
    }

    #[test]
    fn what_runs_on_a_host_goes_with_it() {
        let hosts = Hosts::new(&["a"]).unwrap();
        let mut command = hosts.command("a", "sh");
        command.args(["-c", "echo up; exec sleep 600"]);
        let mut process = Process::spawn("sleeper", command).unwrap();
        process.line(SOON, "up");
        let space = format!("/run/netns/{}", hosts.space("a"));
        assert!(std::path::Path::new(&space).exists());
        drop(hosts);
        assert!(!std::path::Path::new(&space).exists());
        assert!(!process.wait(SOON).success());
    }
}
