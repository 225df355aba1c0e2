//! The processes of a shop, and how each is replaced by a new one.

use std::{collections::BTreeMap, process::Command, time::Duration};

use rustix::process::Signal;
use testbed::{Process, tree};
use tokio::sync::watch;

/// How long a process may take to start, and to end.
const SOON: Duration = Duration::from_secs(60);
/// The services, each by two processes.
const ROLES: [&str; 3] = ["member", "promotion", "site"];
const EACH: usize = 2;
/// How long calls go on before the first is replaced, and after the last.
pub(crate) const APART: Duration = Duration::from_secs(1);
/// How a process ends that cut something: EX_TEMPFAIL.
const CUT: i32 = 75;

/// All of it.
pub(crate) struct Shop {
    pub(crate) url: String,
    all: BTreeMap<&'static str, Vec<One>>,
    /// Where the sites are, in that order, for who has it from elsewhere than a registry.
    sites: watch::Sender<Vec<String>>,
    /// What was put aside, and how often.
    held: BTreeMap<String, u32>,
}

struct One {
    process: Process,
    address: String,
}

impl Shop {
    pub(crate) fn open(url: String, sites: watch::Sender<Vec<String>>) -> Self {
        let mut shop = Self { url, all: BTreeMap::new(), sites, held: BTreeMap::new() };
        for role in ROLES {
            let mut all: Vec<One> = (0..EACH).map(|_| shop.start(role)).collect();
            all.iter_mut().for_each(One::is_ready);
            shop.all.insert(role, all);
        }
        shop.tell_sites();
        shop
    }

    /// Replaces each process by a new one. Answers how many.
    pub(crate) fn rolls(&mut self) -> u64 {
        for role in ROLES {
            for _ in 0..EACH {
                let mut new = self.start(role);
                new.is_ready();
                let all = self.all.get_mut(role).unwrap();
                let old = all.remove(0);
                all.push(new);
                self.tell_sites();
                old.process.signal(Signal::TERM).unwrap();
                self.ends(role, old);
            }
        }
        (ROLES.len() * EACH) as u64
    }

    /// Ends all at once, and answers what was put aside, and how often. Nobody calls any more.
    pub(crate) fn close(&mut self) -> BTreeMap<String, u32> {
        let all: Vec<_> = std::mem::take(&mut self.all)
            .into_iter()
            .flat_map(|(role, all)| all.into_iter().map(move |one| (role, one)))
            .collect();
        all.iter().for_each(|(_, one)| one.process.signal(Signal::TERM).unwrap());
        all.into_iter().for_each(|(role, one)| self.ends(role, one));
        std::mem::take(&mut self.held)
    }

    fn start(&self, role: &str) -> One {
        let mut command = Command::new(tree::built("shop"));
        command.args([role, "--registry", &self.url, "--drain-grace", "1s"]);
        One { process: Process::spawn(role, command).unwrap(), address: String::new() }
    }

    /// Waits for the end of one that was told to end.
    fn ends(&mut self, role: &str, mut one: One) {
        let status = one.process.wait(SOON);
        // Streams have no end of their own: who serves them cuts them.
        let may_cut = role != "member";
        assert!(status.success() || (may_cut && status.code() == Some(CUT)), "a {role} ended with {status}");
        for line in one.process.stdout().lines() {
            if let Some(gift) = line.strip_prefix("held ").and_then(|rest| rest.split(' ').next()) {
                *self.held.entry(gift.to_owned()).or_default() += 1;
            }
        }
    }

    fn tell_sites(&self) {
        let sites = self.all.get("site").into_iter().flatten().map(|site| site.address.clone());
        self.sites.send_replace(sites.collect());
    }
}

impl One {
    fn is_ready(&mut self) {
        let advertised = self.process.line(SOON, "  advertised");
        self.address = advertised.split_whitespace().next().unwrap().to_owned();
        self.process.line(SOON, "  registered");
    }
}
