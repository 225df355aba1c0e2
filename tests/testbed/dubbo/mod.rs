//! Providers and consumers of one service, in Dubbo's Java, in dubbo-go and in Rust: started alike, with the same steps, and saying the
//! same lines (`tests/interop/dubbo`).

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::wait::poll;
use crate::{Process, Scratch, ports, tree};

/// How long a provider may take until it is registered, and a consumer until its last step is done.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a port that another took meanwhile is replaced.
const TRIES: usize = 5;

/// What a peer is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lang {
    /// Dubbo Java.
    Java,
    /// dubbo-go.
    Go,
    /// Ours.
    Rust,
}

/// How a provider is to be.
#[derive(Clone, Debug, Default)]
pub struct Serving {
    /// The URL of the registry; none: it is called directly.
    pub registry: Option<String>,
    /// Its group.
    pub group: Option<&'static str>,
    /// Its version.
    pub version: Option<&'static str>,
    /// Its share of the calls.
    pub weight: Option<u32>,
    /// The token that its callers must show.
    pub token: Option<&'static str>,
    /// Java's properties (`dubbo.…=…`), or variables of dubbo-go's peer (`DESK_LEVEL=…`).
    pub properties: Vec<&'static str>,
}

/// A provider at work.
#[derive(Debug)]
pub struct Provider {
    /// The process.
    pub process: Process,
    port: u16,
    /// Java keeps what it learns of registries in its user's home.
    _home: Scratch,
}

/// A consumer at work.
#[derive(Debug)]
pub struct Consumer {
    process: Process,
    home: Scratch,
}

impl Provider {
    /// Starts one that says in each answer that it is `node`, and waits until it is registered.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn start(lang: Lang, node: &str, serving: &Serving) -> Provider {
        for _ in 0..TRIES {
            let port = ports::free().unwrap_or_else(|e| panic!("{e}"));
            let home = home();
            let command = match lang {
                Lang::Java => java_provider(&home, node, port, serving),
                Lang::Go => go_provider(node, port, serving),
                Lang::Rust => rust_provider(node, port, serving),
            };
            let mut process = Process::spawn(node, command).unwrap_or_else(|e| panic!("{e}"));
            let ready = |p: &Process| p.stdout().lines().any(|line| matches!(line.trim(), "READY" | "registered"));
            let began = poll(PATIENCE, || (ready(&process) || process.ended().is_some()).then_some(()));
            let said = process.stdout() + &process.stderr();
            assert!(began.is_some(), "{node} is not ready after {PATIENCE:?}\n{said}");
            if process.ended().is_none() {
                return Provider { process, port, _home: home };
            }
            assert!(said.to_lowercase().contains("in use"), "{node} ended: {said}");
        }
        panic!("{TRIES} ports were taken")
    }

    /// The port that it listens on, at every address: Java's consumers dial this machine's own address for 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it is called without a registry.
    pub fn url(&self) -> String {
        format!("tri://127.0.0.1:{}", self.port)
    }
}

impl Consumer {
    /// Starts one that does these steps; `properties` are Java's.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn start(lang: Lang, target: &str, from: &Serving, steps: &[&str]) -> Consumer {
        Consumer::at_home(home(), lang, target, from, steps)
    }

    /// Starts one that calls, 5 ms after each answer again, until its [`Tally`] is asked for.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn calling(lang: Lang, target: &str, from: &Serving) -> Consumer {
        let home = home();
        let step = until(&home);
        Consumer::at_home(home, lang, target, from, &[&step])
    }

    #[track_caller]
    fn at_home(home: Scratch, lang: Lang, target: &str, from: &Serving, steps: &[&str]) -> Consumer {
        let mut command = match lang {
            Lang::Java => java("Consumer", &home, &from.properties),
            Lang::Go => go("consumer", &from.properties),
            Lang::Rust => program(tree::built("dubbo-desk"), "consumer"),
        };
        command.arg(registry(lang, target)).arg(from.group.unwrap_or("-")).arg(from.version.unwrap_or("-")).args(steps);
        let process = Process::spawn("consumer", command).unwrap_or_else(|e| panic!("{e}"));
        Consumer { process, home }
    }

    /// Waits for what came of a step.
    ///
    /// # Panics
    /// When the consumer ends before, or takes too long.
    #[track_caller]
    pub fn came(&mut self, step: &str) -> String {
        let prefix = format!("{step}: ");
        let found = poll(PATIENCE, || {
            // It ends after its last step: what it said counts.
            let ended = self.process.ended().is_some();
            let text = self.process.stdout();
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            match whole.lines().find_map(|line| line.strip_prefix(&prefix)) {
                Some(came) => Some(Some(came.to_owned())),
                None => ended.then_some(None),
            }
        });
        match found.flatten() {
            Some(came) => came,
            None => panic!("nothing came of {step}\n{}{}", self.process.stdout(), self.process.stderr()),
        }
    }

    /// Waits until one that is [calling](Consumer::calling) has made so many more calls, or some more than that.
    ///
    /// # Panics
    /// When the consumer ends before, or takes too long.
    #[track_caller]
    pub fn calls_on(&mut self, times: u32) {
        let until = so_far(&self.said(), 0).unwrap_or(0) + times;
        self.process.ready(PATIENCE, "so many calls", |p| so_far(&p.stdout(), 0) >= Some(until));
    }

    /// How many calls of one that is [calling](Consumer::calling) have failed so far.
    pub fn failed(&self) -> u32 {
        so_far(&self.said(), 2).unwrap_or(0)
    }

    /// Ends the calls of one that is [calling](Consumer::calling), and says what came of them.
    ///
    /// # Panics
    /// When the consumer ended before, or takes too long.
    #[track_caller]
    pub fn tally(&mut self) -> Tally {
        self.home.write(ENOUGH, "").unwrap_or_else(|e| panic!("{e}"));
        Tally::read(&self.came(&until(&self.home)))
    }

    /// What it has printed so far.
    pub fn said(&self) -> String {
        self.process.stdout()
    }

    /// What it has logged so far.
    pub fn errors(&self) -> String {
        self.process.stderr()
    }
}

/// The file whose presence ends the calls of a consumer at home there.
const ENOUGH: &str = "enough";

/// The step of calls until then.
fn until(home: &Scratch) -> String {
    format!("calls:{}", home.join(ENOUGH).display())
}

/// A number of the last line that a consumer said of its calls: `so far CALLS failed FAILED {…}`.
fn so_far(said: &str, at: usize) -> Option<u32> {
    let whole = said.rfind('\n').map_or("", |end| &said[..end]);
    let last = whole.lines().rev().find_map(|line| line.strip_prefix("so far "))?;
    last.split(' ').nth(at)?.parse().ok()
}

/// What came of the calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Calls in all.
    pub calls: u32,
    /// Those that failed.
    pub failed: u32,
    /// How many each node answered.
    pub nodes: Vec<(String, u32)>,
}

impl Tally {
    /// Reads `calls 3 failed 1 {a=1, b=1} …`.
    ///
    /// # Panics
    /// When it is something else.
    #[track_caller]
    pub fn read(text: &str) -> Tally {
        let words: Vec<&str> = text.split(' ').collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse().ok());
        let (Some(calls), Some(failed)) = (number(1), number(3)) else { panic!("no tally: {text}") };
        let inside = text.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map_or("", |(inside, _)| inside);
        let node = |pair: &str| {
            let (name, count) = pair.split_once('=')?;
            Some((name.to_owned(), count.parse().ok()?))
        };
        Tally { calls, failed, nodes: inside.split(", ").filter_map(node).collect() }
    }

    /// How many calls a node answered.
    pub fn of(&self, node: &str) -> u32 {
        self.nodes.iter().find(|(name, _)| name == node).map_or(0, |(_, count)| *count)
    }
}

fn home() -> Scratch {
    Scratch::new("dubbo-home").unwrap_or_else(|e| panic!("{e}"))
}

fn java_provider(home: &Scratch, node: &str, port: u16, serving: &Serving) -> Command {
    let token = serving.token.map(|token| format!("dubbo.provider.token={token}"));
    let properties: Vec<&str> = serving.properties.iter().copied().chain(token.as_deref()).collect();
    let mut command = java("Provider", home, &properties);
    let registry = registry(Lang::Java, serving.registry.as_deref().unwrap_or("none"));
    command.arg(node).arg(port.to_string()).arg(registry);
    command.arg(serving.group.unwrap_or("-")).arg(serving.version.unwrap_or("-"));
    command.args(serving.weight.map(|weight| weight.to_string()));
    command
}

/// A registry as peers name it. To Java a namespace of Nacos is a parameter; to ours it is the path.
fn registry(lang: Lang, url: &str) -> String {
    match url.strip_prefix("nacos://").and_then(|rest| rest.split_once('/')) {
        Some((servers, namespace)) if lang == Lang::Java => format!("nacos://{servers}?namespace={namespace}"),
        _ => url.to_owned(),
    }
}

fn program(path: PathBuf, what: &str) -> Command {
    let mut command = Command::new(path);
    command.arg(what);
    command
}

fn go(what: &str, variables: &[&str]) -> Command {
    let mut command = program(tree::peer("dubbo-go/desk"), what);
    command.envs(variables.iter().filter_map(|variable| variable.split_once('=')));
    command
}

fn go_provider(node: &str, port: u16, serving: &Serving) -> Command {
    let mut command = go("provider", &serving.properties);
    command.arg(node).arg(port.to_string()).arg(serving.registry.as_deref().unwrap_or("none"));
    command.arg(serving.group.unwrap_or("-")).arg(serving.version.unwrap_or("-"));
    command
}

fn rust_provider(node: &str, port: u16, serving: &Serving) -> Command {
    let mut command = program(tree::built("dubbo-desk"), "provider");
    command.args([node, "--listen", &format!("0.0.0.0:{port}")]);
    command.args(["--registry", serving.registry.as_deref().unwrap_or("memory://")]);
    for (flag, value) in [("--service-group", serving.group), ("--service-version", serving.version)] {
        if let Some(value) = value {
            command.args([flag, value]);
        }
    }
    if let Some(weight) = serving.weight {
        command.args(["--weight", &weight.to_string()]);
    }
    if let Some(token) = serving.token {
        command.env("DESK_TOKEN", token).args(["--service-token", "env:DESK_TOKEN"]);
    }
    command
}

/// A class of `tests/interop/dubbo/java`, as the suite built it.
fn java(class: &str, home: &Scratch, properties: &[&str]) -> Command {
    let at = tree::peer("dubbo-java");
    let mut command = Command::new("java");
    command.args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]);
    // What Dubbo Java wants of a Java after 8.
    command.args(["--add-opens", "java.base/java.lang=ALL-UNNAMED"]);
    command.arg(format!("-Duser.home={}", home.path().display()));
    command.args(properties.iter().map(|property| format!("-D{property}")));
    command.arg("-cp").arg(format!("{0}/classes:{0}/jars/*", at.display()));
    command.arg(format!("shop.desk.v1.{class}"));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_is_read() {
        let tally = Tally::read("calls 12 failed 1 {j1=4, r1=7} status 14 gone");
        assert_eq!((tally.calls, tally.failed, tally.of("j1"), tally.of("r1"), tally.of("r2")), (12, 1, 4, 7, 0));
        assert_eq!(Tally::read("calls 1 failed 1 {} ").nodes, []);
    }

    #[test]
    fn the_last_whole_line_counts() {
        let said = "READY\nso far 20 failed 0 {j1=20}\nso far 40 failed 1 {j1=39}\nso far 6";
        assert_eq!((so_far(said, 0), so_far(said, 2), so_far("READY\n", 0)), (Some(40), Some(1), None));
    }

    #[test]
    fn a_namespace_is_named_as_each_peer_does() {
        assert_eq!(registry(Lang::Java, "nacos://h:1/ns"), "nacos://h:1?namespace=ns");
        assert_eq!(registry(Lang::Rust, "nacos://h:1/ns"), "nacos://h:1/ns");
        assert_eq!(registry(Lang::Java, "zookeeper://h:1"), "zookeeper://h:1");
    }
}
