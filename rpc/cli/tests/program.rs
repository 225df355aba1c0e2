//! The program as a process, on registries of this machine.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::{
    fs::{self, DirBuilder},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use mainstay_registry::{Hub, Instance, InstanceId, Lease, Registration, Registry, connect};
use serde_json::Value;
use tokio::net::TcpListener;

const DEADLINE: Duration = Duration::from_secs(20);

/// A directory that is removed at the end of the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let unique = format!("mainstay-cli-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(unique);
        DirBuilder::new().mode(0o700).create(&path).unwrap();
        Self(path)
    }

    fn registry(&self, name: &str) -> String {
        format!("file://{}", self.path(name).display())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs the program: its exit code, and what it said.
fn run(arguments: &[&str], registry: Option<&str>) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mainstay"));
    command.args(arguments).env_remove("MAINSTAY_REGISTRY");
    if let Some(url) = registry {
        command.env("MAINSTAY_REGISTRY", url);
    }
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap())
}

/// The same, as JSON.
fn json(arguments: &[&str], registry: &str) -> (i32, Value) {
    let (code, said) = run(&[arguments, &["--json", "-r", registry]].concat(), None);
    let json = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    (code, json)
}

async fn provider(url: &str, id: &str, port: u16, weight: u32, keys: &[&str]) -> (Hub, Lease) {
    let hub = connect(url).unwrap();
    let instance = Instance::new("stock", "127.0.0.1", port).with_id(InstanceId::new(id)).with_weight(weight);
    let mut lease = hub.register(Registration::new(instance, keys.iter().map(|key| key.parse().unwrap())));
    lease.registered(DEADLINE).await.unwrap();
    (hub, lease)
}

fn lines<'a>(said: &'a str, with: &str) -> Vec<&'a str> {
    said.lines().filter(|line| line.contains(with)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn ls_lists_who_offers_what_and_what_is_not_taken() {
    let scratch = Scratch::new();
    let url = scratch.registry("r");
    let (code, said) = run(&["ls"], Some(&url));
    assert_eq!((code, lines(&said, "nobody offers anything").len()), (0, 1), "{said}");
    let _one = provider(&url, "one", 7001, 100, &["a.B:1", "blue/a.C"]).await;
    fs::write(scratch.path("r").join("note\u{1b}.txt"), "no record").unwrap();
    let (code, said) = run(&["ls"], Some(&url));
    assert_eq!(code, 0);
    assert_eq!(lines(&said, "127.0.0.1:7001").len(), 2, "{said}");
    assert!(said.contains(&format!("pid {}", std::process::id())) && said.contains("SERVICE"), "{said}");
    assert_eq!(lines(&said, "not taken: note·.txt: it is no record of ours").len(), 1, "{said}");
    let (_, only) = run(&["ls", "a.C", "--registry", &url], None);
    assert_eq!(lines(&only, "127.0.0.1:7001").len(), 1, "{only}");
    let (code, json) = json(&["ls"], &url);
    let first = &json["registries"][0]["instances"][0];
    assert_eq!((code, first["service"].as_str(), first["weight"].as_u64()), (0, Some("a.B:1"), Some(100)), "{json}");
    assert!(first["age_s"].as_u64().is_some_and(|age| age < 60) && first["levels"] == serde_json::json!([]), "{json}");
}

#[tokio::test(flavor = "multi_thread")]
async fn why_says_of_each_instance_whether_it_is_taken() {
    let scratch = Scratch::new();
    let url = scratch.registry("r");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let open = listener.local_addr().unwrap().port();
    let _one = provider(&url, "one", open, 300, &["a.B:1"]).await;
    let _two = provider(&url, "two", 1, 100, &["a.B:1"]).await;
    let _old = provider(&url, "old", 2, 100, &["a.B:0.9"]).await;
    let (code, said) = run(&["why", "a.B:1", "--connect", "-r", &url], None);
    assert_eq!(code, 0, "{said}");
    assert!(said.starts_with("a consumer of a.B:1 sees 2 in file://"), "{said}");
    assert!(lines(&said, &format!(":{open} "))[0].contains("taken, with 75.0 % of the weight; connects"), "{said}");
    assert!(lines(&said, "127.0.0.1:1 ")[0].contains("25.0 % of the weight; does not connect"), "{said}");
    assert!(lines(&said, "127.0.0.1:2 ")[0].contains("its version is 0.9, asked for is 1"), "{said}");
    let (code, said) = run(&["why", "a.B:2", "-r", &url], None);
    assert_eq!(code, 1, "{said}");
    assert!(said.starts_with("no instance of a.B 2 in file://") && said.contains("found 1 of version 0.9"), "{said}");
    let (code, json) = json(&["why", "a.B:1", "--application", "shop"], &url);
    assert_eq!(
        (code, json["taken"].as_u64(), json["instances"][1]["code"].as_str()),
        (1, Some(0), Some("application")),
        "{json}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn why_says_which_rule_keeps_calls_away() {
    let scratch = Scratch::new();
    let url = scratch.registry("r");
    let _one = provider(&url, "one", 1, 100, &["a.B"]).await;
    let _two = provider(&url, "two", 2, 100, &["a.B"]).await;
    let center = mainstay_registry::connect(&url).unwrap().config_center().unwrap();
    let key = mainstay_registry::ConfigKey::new("a.B::.condition-router").unwrap();
    let rule = "conditions:\n  - \"application=web => port=2\"\n";
    center.publish(&key, rule, mainstay_registry::config::Expected::Any).await.unwrap();
    let (_, said) = run(&["why", "a.B", "-r", &url], None);
    assert!(!said.contains("ROUTED_AWAY") && said.contains("rule dubbo/a.B::.condition-router: in force"), "{said}");
    let (code, said) = run(&["why", "a.B", "--consumer", "web", "-r", &url], None);
    let away = "by dubbo/a.B::.condition-router line 2: ROUTED_AWAY";
    assert!(code == 0 && lines(&said, ":1 ")[0].contains(away), "{said}");
    assert!(lines(&said, ":2 ")[0].contains("taken, with"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_registries_it_says_which_is_read() {
    let scratch = Scratch::new();
    let (old, new) = (scratch.registry("old"), scratch.registry("new"));
    let _both = provider(&format!("{old}|{new}"), "both", 1, 100, &["a.B"]).await;
    let _only = provider(&old, "only", 2, 100, &["a.B"]).await;
    let (code, said) = run(&["why", "a.B", "-r", &format!("{old} | {new}")], None);
    assert!(code == 0 && said.starts_with("a consumer of a.B sees 2 in"), "{said}");
    let (_, preferred) = json(&["why", "a.B"], &format!("{old}|{new}?preferred=true"));
    let only: Vec<_> = preferred["instances"].as_array().unwrap().iter().filter(|one| one["id"] == "only").collect();
    assert_eq!((preferred["taken"].as_u64(), only[0]["code"].as_str()), (Some(1), Some("registry")), "{preferred}");
    let (code, listed) = json(&["ls"], &format!("{old}|{new}"));
    assert_eq!((code, listed["registries"].as_array().unwrap().len()), (0, 2), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_finds_what_is_wrong_and_leaves_nothing_behind() {
    let scratch = Scratch::new();
    let url = scratch.registry("r");
    let (code, said) = run(&["doctor", "--write", &url], None);
    assert_eq!(code, 0, "{said}");
    for found in ["locks exclude", "inotify", "0 records of at most", "loopback", "registered, seen, and taken back"] {
        assert_eq!(lines(&said, found).len(), 1, "{found}: {said}");
    }
    assert_eq!(fs::read_dir(scratch.path("r")).unwrap().count(), 0, "nothing is left");
    open_to_all(&scratch.path("r"));
    let (code, said) = run(&["doctor", "--json", &format!("{url}|memory://")], None);
    let json: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, json["worst"].as_str()), (1, Some("bad")), "{said}");
    assert!(json["registries"][0]["findings"][0]["text"].as_str().unwrap().contains("chmod 700"), "{said}");
    assert_eq!(json["registries"][1]["findings"][0]["outcome"], "doubtful", "{said}");
}

fn open_to_all(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
}

#[test]
fn what_cannot_be_asked_ends_with_two() {
    for (arguments, why) in [
        (&["ls", "-r", "flie:///x"][..], "did you mean `file`?"),
        (&["why", "a.B", "-r", "memory://|x://y:secret@z?secret=1"], "unknown scheme `x`"),
        (&["why", "a.B:"], "the version after `:` is empty"),
        (&["doctor", "nowhere"], "no scheme"),
        (&["lss"], "ls"),
    ] {
        let (code, said) = run(arguments, None);
        assert!(code == 2 && said.contains(why) && !said.contains("secret"), "{arguments:?}: {code} {said}");
    }
    let (code, said) = run(&["ls", "-r", "static://h:1,h:2"], None);
    assert!(code == 0 && lines(&said, "h:").len() == 3, "{said}");
    let (code, said) = run(&["ls", "-r", "dns://no-such-name.invalid:80"], None);
    assert!(code == 2 && said.contains("it cannot be asked"), "{said}");
}

/// Servers that accept and say nothing: what is asked of each ends, and the next is asked.
#[tokio::test(flavor = "multi_thread")]
async fn ls_ends_although_registries_say_nothing() {
    let mute = [TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap()];
    let [zookeeper, nacos] = mute.each_ref().map(|listener| listener.local_addr().unwrap());
    let url = format!("zookeeper://{zookeeper}|nacos://{nacos}?grpc-port={}", nacos.port());
    let since = Instant::now();
    let (code, said) = tokio::task::spawn_blocking(move || json(&["ls"], &url)).await.unwrap();
    assert!(since.elapsed() < DEADLINE, "{:?}", since.elapsed());
    assert_eq!(code, 2, "{said}");
    let registries = said["registries"].as_array().unwrap();
    assert!(registries.len() == 2 && registries.iter().all(|one| one["error"].is_string()), "{said}");
}
