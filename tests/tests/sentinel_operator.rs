//! What operators do with three sentinels over real Redis servers: the program's commands, read by their `--json`.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use testbed::redis::{Group, NAME, Sentinel, Server};
use testbed::{Process, Scratch, eventually, eventually_some, ports, tree};

const SOON: Duration = Duration::from_secs(30);

/// Servers and sentinels that know each other.
struct Trio(Group);

impl Trio {
    fn start() -> Trio {
        let programs = [(); 3].map(|()| Group::ours());
        Trio(Group::start(&programs, &[("down-after-milliseconds", "500"), ("failover-timeout", "10000")]))
    }

    /// Runs a command at the first sentinel.
    fn run(&self, words: &str) -> Answer {
        let at = format!("127.0.0.1:{}", self.0.sentinels[0].port());
        run(&[&words.split(' ').collect::<Vec<_>>()[..], &["--at", &at]].concat())
    }

    /// Runs it with `--json`, which it must end well with.
    fn json(&self, words: &str) -> Value {
        let answer = self.run(&format!("{words} --json"));
        assert_eq!(answer.code, Some(0), "{words}: {answer:?}");
        let report = answer.json();
        assert_eq!(undocumented(&report), [""; 0], "{words}");
        report
    }

    /// What a sentinel has written of its history.
    fn history(&self, sentinel: usize) -> Value {
        let state = self.0.sentinels[sentinel].state();
        let history = run(&["history", NAME, "--state", state.to_str().unwrap(), "--events", "--json"]).json();
        assert_eq!(undocumented(&history), [""; 0]);
        history
    }

    /// The failovers that any sentinel has recorded as switched, with their reason.
    fn switched(&self) -> Vec<String> {
        let all: Vec<Value> = (0..3).flat_map(|i| self.history(i)["failovers"].as_array().unwrap().clone()).collect();
        let ended = all.iter().filter(|f| f["outcome"] == "switched");
        ended.map(|f| format!("{} {} -> {}", f["reason"], f["from"], f["to"]).replace('"', "")).collect()
    }

    fn server(&mut self, address: &str) -> &mut Server {
        let port: u16 = address.rsplit(':').next().unwrap().parse().unwrap();
        self.0.servers.iter_mut().find(|s| s.port() == port).unwrap()
    }

    /// Waits until two servers follow the third.
    fn synced(&self) {
        let follow = || self.0.servers.iter().filter(|s| s.info("master_link_status") == "up").count();
        eventually(SOON, "the replicas to follow", || follow() == self.0.servers.len() - 1);
    }

    /// Waits until all sentinels see this master and are at rest.
    fn settled(&self) -> String {
        eventually_some(SOON, "the sentinels to be at rest and to agree", || {
            let answer = self.run(&format!("status {NAME} --json"));
            let status = answer.json();
            let master = &status["masters"][0];
            let known = master["sentinels"].as_array().unwrap().iter().all(|s| s["replicas"] == 2);
            (answer.code == Some(0) && known).then(|| master["address"].as_str().unwrap().to_owned())
        })
    }
}

/// Keys of a report that the page for operators does not name.
fn undocumented(report: &Value) -> Vec<String> {
    let page = std::fs::read_to_string(tree::root().join("sentinel/README.md")).unwrap();
    let mut unknown = Vec::new();
    let mut waiting = vec![report];
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(map) => {
                unknown.extend(map.keys().filter(|key| !page.contains(&format!("`{key}`"))).cloned());
                waiting.extend(map.values());
            }
            Value::Array(items) => waiting.extend(items),
            _ => {}
        }
    }
    unknown
}

/// How a command ended.
#[derive(Debug)]
struct Answer {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(self.out.trim()).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

fn run(words: &[&str]) -> Answer {
    let output = Command::new(tree::built("mainstay-sentinel")).args(words).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Answer { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

#[test]
fn an_operator_looks_and_switches_over() {
    let mut group = Trio::start();
    let first = group.settled();

    let status = group.json("status");
    let master = &status["masters"][0];
    assert_eq!((&master["name"], &master["agree"]), (&NAME.into(), &true.into()));
    assert_eq!(master["sentinels"].as_array().unwrap().len(), 3);
    assert!(master["sentinels"][0]["version"].as_str().unwrap().starts_with("mainstay "));
    let replicas = eventually_some(SOON, "both replicas to have reported", || {
        let topology = group.json("topology");
        let replicas = topology["masters"][0]["replicas"].as_array()?.clone();
        (replicas.len() == 2 && replicas.iter().all(|r| r["state"] == "in sync")).then_some(replicas)
    });

    let why = group.json(&format!("why-not {NAME}"));
    assert!(why["sentinels"].as_array().unwrap().iter().all(|s| s["code"] == "master-up"), "{why}");
    assert_eq!(group.json(&format!("ckquorum {NAME}"))["ok"], true);

    let to = replicas[0]["address"].as_str().unwrap();
    let changed = group.json(&format!("switchover {NAME} --to {to} --wait"));
    assert_eq!((changed["result"].as_str(), changed["to"].as_str()), (Some("done"), Some(to)), "{changed}");
    assert_eq!((changed["from"].as_str(), changed["lossless"].as_bool()), (Some(first.as_str()), Some(true)));
    assert_eq!(group.settled(), to);
    assert_eq!(group.server(to).info("role"), "master");
    eventually(SOON, "its record", || group.switched() == [format!("planned {first} -> {to}")]);
    let record = &group.history(0)["failovers"][0];
    let stages: Vec<&str> = record["stages"].as_array().unwrap().iter().map(|s| s["code"].as_str().unwrap()).collect();
    assert!(stages.contains(&"+switchover-paused") && stages.contains(&"+promoted-slave"), "{record}");
    assert_eq!(record["epoch"], changed["config_epoch"]);

    let forced = group.run(&format!("failover {NAME} --wait"));
    assert_eq!(forced.code, Some(0), "{forced:?}");
    assert!(forced.out.contains("writes that no replica had yet are lost"), "{forced:?}");
    let third = group.settled();
    eventually(SOON, "its record", || group.switched().contains(&format!("forced {to} -> {third}")));

    let set = group.json(&format!("set {NAME} parallel-syncs 2 --all"));
    assert!(set["sentinels"].as_array().unwrap().iter().all(|s| s["ok"] == true), "{set}");
    assert!(group.0.sentinels.iter().all(|s| s.field(NAME, "parallel-syncs").as_deref() == Some("2")));
    assert_eq!(group.json("reset nobody")["sentinels"][0]["said"], "0");
}

#[test]
fn a_no_and_a_sentinel_out_of_reach_have_their_exit_codes() {
    let mut group = Trio::start();
    group.settled();
    let unknown = group.run("why-not nobody");
    assert_eq!((unknown.code, unknown.err.contains("No such master")), (Some(1), true), "{unknown:?}");
    assert_eq!(group.run("status nobody").code, Some(1));
    assert_eq!(group.run("switchover").code, Some(2));
    assert_eq!(group.run("status --jsn").code, Some(2));
    let port = testbed::ports::free().unwrap();
    let nobody = run(&["status", "--at", &format!("127.0.0.1:{port}")]);
    assert_eq!((nobody.code, nobody.err.contains("cannot be reached")), (Some(2), true), "{nobody:?}");

    // A peer that is gone makes the status a no, and says which.
    let gone = group.0.sentinels[2].port();
    group.0.sentinels[2].process().kill().unwrap();
    let status = group.run("status --json");
    let problems = status.json()["masters"][0]["problems"].to_string();
    assert_eq!(status.code, Some(1), "{status:?}");
    assert!(problems.contains(&format!("cannot be reached: 127.0.0.1:{gone}")), "{problems}");
    group.0.sentinels[1].process().kill().unwrap();
    eventually(SOON, "the quorum to be out of reach", || group.run(&format!("ckquorum {NAME}")).code == Some(1));
}

#[test]
fn a_pause_holds_a_failover_back_and_says_what_it_would_have_done() {
    let mut group = Trio::start();
    let first = group.settled();
    let paused = group.json(&format!("pause {NAME} --by ann"));
    assert!(paused["sentinels"].as_array().unwrap().iter().all(|s| s["ok"] == true), "{paused}");
    let by_ann = |group: &Trio| {
        let status = group.run("status --json");
        let problems = status.json()["masters"][0]["problems"].to_string();
        assert_eq!((status.code, problems.contains("paused by ann at 20")), (Some(1), true), "{status:?}");
    };
    by_ann(&group);
    // Also those that begin anew know of it.
    for sentinel in &mut group.0.sentinels {
        sentinel.process().kill().unwrap();
        sentinel.again(&Group::ours());
    }
    group.0.sentinels.iter().for_each(|s| s.knows(NAME, 2, 2));
    by_ann(&group);

    group.server(&first).process().kill().unwrap();
    for sentinel in 0..3 {
        let would = eventually_some(SOON, "what it would have done", || {
            let events = group.history(sentinel)["events"].as_array()?.clone();
            events.iter().find(|e| e["code"] == "+would-promote").map(|e| e["text"].as_str().unwrap().to_owned())
        });
        assert!(would.contains("of 2 needed hold the master for down"), "{would}");
    }
    let why = group.json(&format!("why-not {NAME}"));
    assert!(why["sentinels"].as_array().unwrap().iter().all(|s| s["code"] == "paused"), "{why}");
    assert_eq!(group.switched(), [""; 0]);
    assert!((0..3).all(|i| group.history(i)["unfinished"].as_array().unwrap().is_empty()));

    group.json(&format!("resume {NAME}"));
    let state = |group: &Trio, i: usize| std::fs::read_to_string(group.0.sentinels[i].state().join("state")).unwrap();
    assert!((0..3).all(|i| !state(&group, i).contains("\npaused ")));
    let next = group.settled();
    assert_ne!(next, first);
    eventually(SOON, "its record", || group.switched() == [format!("down {first} -> {next}")]);
}

#[test]
fn an_onlooker_is_not_counted_tells_what_it_would_do_and_follows() {
    let mut group = Trio::start();
    let first = group.settled();
    let (master, ours) = (first.rsplit(':').next().unwrap(), Group::ours());
    let lines = format!(
        "sentinel monitor {NAME} 127.0.0.1 {master} 2\nsentinel down-after-milliseconds {NAME} 500\n\
         sentinel observe-only {NAME} yes\n"
    );
    let onlooker = Sentinel::start("onlooker", &ours, &lines);
    onlooker.knows(NAME, 2, 3);
    let at = format!("127.0.0.1:{}", onlooker.port());
    let status = run(&["status", "--at", &at, "--json"]);
    let master = &status.json()["masters"][0];
    let modes: Vec<&str> =
        master["sentinels"].as_array().unwrap().iter().map(|s| s["mode"].as_str().unwrap()).collect();
    assert_eq!(modes.iter().filter(|mode| **mode == "observe-only").count(), 1, "{status:?}");
    assert!(master["problems"].to_string().contains(&format!("only observing, as its file says: {at}")), "{status:?}");
    let refused = run(&["switchover", NAME, "--at", &at]);
    assert_eq!((refused.code, refused.err.contains("only observes")), (Some(1), true), "{refused:?}");

    group.server(&first).process().kill().unwrap();
    let next = group.0.agreed(first.rsplit(':').next().unwrap().parse().unwrap());
    let next = group.0.servers[next].port();
    eventually(SOON, "the onlooker to follow", || onlooker.master(NAME) == Some(next));
    let said = onlooker.process_output();
    assert!(said.contains("+would-promote") && !said.contains("+vote-for-leader"), "{said}");
    for sentinel in &group.0.sentinels {
        assert_eq!(sentinel.field(NAME, "num-other-sentinels").as_deref(), Some("2"), "nobody counts the onlooker");
        let voted = sentinel.process_output();
        assert!(!voted.contains(&onlooker.client().call(&["SENTINEL", "MYID"]).unwrap().text()), "{voted}");
    }
}

#[test]
fn status_says_where_sentinels_disagree() {
    // Two groups of one name, and a sentinel that has heard of one of the other group.
    let servers = ["a", "b"].map(|name| Server::start(name, &[]));
    let sentinel = |i: usize| {
        let lines = format!("sentinel monitor {NAME} 127.0.0.1 {} {}\n", servers[i].port(), i + 1);
        Sentinel::start(&format!("sentinel-{i}"), &Group::ours(), &lines)
    };
    let (one, other) = (sentinel(0), sentinel(1));
    let id = other.client().call(&["SENTINEL", "MYID"]).unwrap().text();
    let hello = format!("127.0.0.1,{},{id},0,{NAME},127.0.0.1,{},0", other.port(), servers[1].port());
    one.client().call(&["PUBLISH", "__sentinel__:hello", &hello]).unwrap();
    one.knows(NAME, 0, 1);
    let at = format!("127.0.0.1:{}", one.port());
    let status = run(&["status", "--at", &at, "--json"]);
    let master = status.json()["masters"][0].clone();
    let problems = master["problems"].to_string();
    let (a, b) = (servers[0].port(), servers[1].port());
    assert_eq!((status.code, &master["agree"]), (Some(1), &false.into()), "{status:?}");
    for (port, what) in
        [(a, "disagree about the master"), (b, "disagree about the master"), (b, "different quorums: {1, 2}")]
    {
        assert!(problems.contains(what) && problems.contains(&format!("127.0.0.1:{port} in epoch 0")), "{problems}");
    }
    let text = run(&["status", "--at", &at]);
    assert!(text.out.contains("they disagree") && text.out.contains("  ! the sentinels disagree"), "{text:?}");
}

#[test]
fn a_drill_looks_first_and_measures_what_a_change_costs() {
    let mut group = Trio::start();
    let first = group.settled();
    let dir = Scratch::new("drill").unwrap();

    let looked = group.run(&format!("drill {NAME} --json"));
    assert_eq!(looked.code, Some(0), "{looked:?}");
    let looked = looked.json();
    let checks = looked["preflight"].as_array().unwrap();
    assert!(checks.iter().all(|c| c["found"] != "bad"), "{looked}");
    let codes: Vec<&str> = checks.iter().map(|c| c["code"].as_str().unwrap()).collect();
    for code in ["quorum", "agreement", "replicas", "servers", "masterauth", "fencing", "notification"] {
        assert!(codes.contains(&code), "{code} in {codes:?}");
    }
    assert_eq!((&looked["only_looked"], group.settled()), (&true.into(), first.clone()));

    let report = dir.join("switchover").display().to_string();
    let drill = group.json(&format!("drill {NAME} --switchover --yes --confirm 1 --report {report}"));
    assert_eq!((&drill["result"], &drill["from"]), (&"done".into(), &first.as_str().into()), "{drill}");
    let measured = &drill["measured"];
    assert!(
        measured["acknowledged"].as_u64().unwrap() >= 200 && measured["confirmed"].as_u64().unwrap() > 0,
        "{drill}"
    );
    assert_eq!((&measured["lost"], &measured["lost_confirmed"]), (&0.into(), &0.into()), "{drill}");
    assert!(measured["gap_ms"].as_f64().is_some_and(|gap| gap > 0.0), "{drill}");
    let written: Value = serde_json::from_str(&std::fs::read_to_string(format!("{report}.json")).unwrap()).unwrap();
    assert_eq!(written, drill);
    let text = std::fs::read_to_string(format!("{report}.txt")).unwrap();
    assert!(text.contains("a switchover") && text.ends_with("passed\n"), "{text}");
    println!("{text}");

    let second = group.settled();
    group.synced();
    let process = group.server(&second).process().id();
    let at = format!("127.0.0.1:{}", group.0.sentinels[0].port());
    let report = dir.join("kill").display().to_string();
    let kill = format!("kill -9 {process}");
    let words = ["drill", NAME, "--kill-with", &kill, "--yes", "--report", &report, "--json", "--at", &at];
    let drill = run(&words).json();
    assert_eq!((&drill["result"], &drill["from"]), (&"done".into(), &second.as_str().into()), "{drill}");
    assert_eq!(drill["fault"]["status"], 0);
    // It had to be found down first, which takes half a second here.
    assert!(drill["measured"]["gap_ms"].as_f64().is_some_and(|gap| gap >= 400.0), "{drill}");
    assert!(drill["measured"]["lost"].is_u64(), "{drill}");
    println!("{}", std::fs::read_to_string(format!("{report}.txt")).unwrap());

    // Now a server is missing: nothing is begun. The other follows by then.
    let followed = |group: &Trio| group.0.servers.iter().filter(|s| s.info("master_link_status") == "up").count() == 1;
    eventually(SOON, "the replica that is left to follow", || followed(&group));
    let third = group.settled();
    let refused = group.run(&format!("drill {NAME} --yes --json"));
    let found = refused.json()["preflight"].as_array().unwrap().clone();
    let bad: Vec<&str> = found.iter().filter(|c| c["found"] == "bad").map(|c| c["code"].as_str().unwrap()).collect();
    assert_eq!((refused.code, bad), (Some(1), vec!["replicas", "servers"]), "{refused:?}");
    assert_eq!(group.settled(), third);
}

#[test]
fn passwords_and_encryption_are_taken_from_the_file() {
    let dir = Scratch::new("tls").unwrap();
    let path = |name: &str| dir.join(name).display().to_string();
    let made = rcgen::generate_simple_self_signed(["sentinel.local".to_owned()]).unwrap();
    dir.write("cert", made.cert.pem()).unwrap();
    dir.write("key", made.signing_key.serialize_pem()).unwrap();
    let port = ports::free().unwrap();
    let lines = format!(
        "port 0\ntls-port {port}\nbind 127.0.0.1\nrequirepass hunter2\ntls-cert-file {}\ntls-key-file {}\n\
         tls-ca-cert-file {}\nsentinel monitor {NAME} 127.0.0.1 1 1\n",
        path("cert"),
        path("key"),
        path("cert")
    );
    let conf = dir.write("sentinel.conf", lines).unwrap();
    let mut command = Command::new(tree::built("mainstay-sentinel"));
    command.arg(&conf);
    let _process = Process::spawn("tls", command).unwrap();
    let words = ["ckquorum", NAME, "--conf", conf.to_str().unwrap()];
    eventually(SOON, "an answer over TLS", || run(&words).code == Some(0));

    // The same by flags; without the password nobody is let in, without encryption nothing is understood.
    let at = format!("127.0.0.1:{port}");
    let ca = path("cert");
    let (cert, key) = (path("cert"), path("key"));
    let flags = ["ckquorum", NAME, "--at", &at, "--cacert", &ca, "--cert", &cert, "--key", &key];
    let without = run(&flags);
    assert_eq!((without.code, without.err.contains("NOAUTH")), (Some(2), true), "{without:?}");
    assert_eq!(run(&[&flags[..], &["--pass", "hunter2"]].concat()).code, Some(0));
    let wrong = run(&[&flags[..], &["--pass", "wrong"]].concat());
    assert_eq!((wrong.code, wrong.err.contains("WRONGPASS")), (Some(2), true), "{wrong:?}");
    assert_eq!(run(&["ckquorum", NAME, "--at", &at, "--pass", "hunter2"]).code, Some(2));
}
