//! `SENTINEL …`: what is shown of masters, and what is asked of the core. Pure: a picture and words in, a step out.

use bytes::Bytes;

use super::instance;
use super::own;
use super::settings;
use super::step::{Step, Work};
use super::{command, glob, help};
use crate::core::config::Settings;
use crate::core::event::{Question, Request};
use crate::core::ids::{Address, Epoch, MasterName, Millis};
use crate::resp::{Value, integer};
use crate::view::{InstanceView, MasterView, ScriptView, SimulatedFailures, View};

/// What a subcommand may look at.
#[derive(Clone, Copy)]
pub(super) struct Sight<'a> {
    pub(super) view: &'a View,
    pub(super) now: Millis,
    /// `SENTINEL SET` may not change scripts.
    pub(super) deny_scripts: bool,
    /// Whether a file can be run.
    pub(super) executable: fn(&str) -> bool,
    pub(super) caller: Caller<'a>,
}

/// Who calls.
#[derive(Clone, Copy)]
pub(super) struct Caller<'a> {
    /// Logged in as.
    pub(super) user: &'a str,
    /// The other end of the connection.
    pub(super) from: &'a str,
    /// When, in milliseconds since 1970.
    pub(super) today: u64,
}

/// What our own kind answers to `SENTINEL MYVERSION`.
pub(super) const MYVERSION: &str = concat!("mainstay ", env!("CARGO_PKG_VERSION"));

/// Carries out a subcommand; `words` begin after its name, and their number was checked.
pub(super) fn call(subcommand: &str, words: &[Bytes], sight: Sight<'_>) -> Step {
    let Sight { view, now, .. } = sight;
    let texts: Vec<&str> = words.iter().filter_map(|word| std::str::from_utf8(word).ok()).collect();
    if texts.len() != words.len() {
        return Step::error("ERR arguments must be UTF-8");
    }
    let with_master = |show: &dyn Fn(&MasterView) -> Step| match view.masters.get(&MasterName::from(texts[0])) {
        Some(master) => show(master),
        None => no_such_master(),
    };
    match subcommand {
        "masters" => Step::one(Value::Array(view.masters.values().map(|m| instance::master(m, now)).collect())),
        "master" => with_master(&|master| Step::one(instance::master(master, now))),
        "replicas" | "slaves" => with_master(&|master| {
            let shown = master.replicas.iter().filter(|replica| instance::is_announced(replica));
            Step::one(Value::Array(shown.map(|replica| instance::replica(replica, master, now)).collect()))
        }),
        "sentinels" => with_master(&|master| {
            let peers = master.sentinels.iter().map(|peer| instance::sentinel(peer, master, now));
            Step::one(Value::Array(peers.collect()))
        }),
        "get-master-addr-by-name" => Step::one(match view.masters.get(&MasterName::from(texts[0])) {
            Some(master) => address(&master.current_address),
            None => Value::NullArray,
        }),
        "is-master-down-by-addr" => question(&texts),
        "ckquorum" => with_master(&check_quorum),
        "myid" => Step::one(Value::bulk(view.me.as_str())),
        "myversion" => Step::one(Value::bulk(MYVERSION)),
        "failover" => with_master(&|master| own::failover(&master.name, &texts[1..])),
        "switchover" => with_master(&|master| own::switchover(&master.name, &texts[1..])),
        "pause" => with_master(&|master| own::pause(&master.name, &texts[1..], sight.caller)),
        "resume" => with_master(&|master| Step::operate(Request::Resume(master.name.clone()))),
        "why-not" => with_master(&|master| Step::WhyNot(master.name.clone())),
        "status" => with_master(&|master| Step::one(own::status(master, view))),
        "remove" => with_master(&|master| Step::operate(Request::Remove(master.name.clone()))),
        "reset" => reset(texts[0], view),
        "monitor" => monitor(&texts, view),
        "set" => with_master(&|master| settings::set(&master.name, &texts[1..], sight)),
        "config" => settings::config(&texts, view),
        "debug" => settings::debug(&texts, view),
        "flushconfig" => Step::operate(Request::Flush),
        "info-cache" => info_cache(&texts, view, now),
        "pending-scripts" => Step::one(Value::Array(view.scripts.iter().map(|s| script(s, now)).collect())),
        "simulate-failure" => simulate(&texts, view),
        _ => Step::one(help::of(command::by_full_name(b"sentinel"))),
    }
}

pub(super) fn no_such_master() -> Step {
    Step::error("ERR No such master with that name")
}

fn address(address: &Address) -> Value {
    Value::bulks([&*address.host, &address.port.to_string()])
}

/// `ip port epoch id`, and our own word `planned` after them.
fn question(words: &[&str]) -> Step {
    let planned = match words {
        [_, _, _, _] => false,
        [_, _, _, _, word] if word.eq_ignore_ascii_case("planned") => true,
        _ => return Step::error("ERR wrong number of arguments for 'sentinel|is-master-down-by-addr' command"),
    };
    let number = |word: &str| integer(word.as_bytes());
    let (Some(port), Some(epoch)) = (number(words[1]), number(words[2])) else {
        return Step::error("ERR value is not an integer or out of range");
    };
    let candidate = match words[3] {
        "*" => None,
        id => match id.parse() {
            Ok(id) => Some(id),
            Err(_) => return Step::error("ERR Invalid id of a sentinel"),
        },
    };
    // Nobody is known at a port that is none: the answer is that of an unknown address.
    let address = Address::new(words[0], u16::try_from(port).unwrap_or(0));
    Step::Ask(Question { address, epoch: Epoch(u64::try_from(epoch).unwrap_or(0)), candidate, planned })
}

fn check_quorum(master: &MasterView) -> Step {
    let down = |instance: &InstanceView| instance.down_since.is_some() || instance.objectively_down_since.is_some();
    let usable = master.sentinels.iter().filter(|peer| !down(&peer.instance)).count() + 1;
    let voters = master.sentinels.len() + 1;
    let quorum = usable >= master.settings.quorum as usize;
    let majority = usable > voters / 2;
    if quorum && majority {
        return Step::one(Value::simple(format!(
            "OK {usable} usable Sentinels. Quorum and failover authorization can be reached"
        )));
    }
    let mut text = format!("NOQUORUM {usable} usable Sentinels. ");
    if !quorum {
        text.push_str("Not enough available Sentinels to reach the specified quorum for this master");
    }
    if !majority {
        text.push_str(if quorum { "" } else { ". " });
        text.push_str("Not enough available Sentinels to reach the majority and authorize a failover");
    }
    Step::error(text)
}

fn reset(pattern: &str, view: &View) -> Step {
    let fits = |name: &&MasterName| glob::matches(pattern.as_bytes(), name.as_str().as_bytes());
    let names: Vec<MasterName> = view.masters.keys().filter(fits).cloned().collect();
    let count = Value::Integer(i64::try_from(names.len()).unwrap_or(i64::MAX));
    if names.is_empty() { Step::one(count) } else { Step::Work(vec![Work::Operator(Request::Reset(names))], count) }
}

/// `name host port quorum`. The texts and their order are those of Redis.
fn monitor(words: &[&str], view: &View) -> Step {
    let [name, host, port, quorum] = words else { return Step::syntax_error() };
    let number = |word: &str| integer(word.as_bytes());
    let Some(quorum) = number(quorum) else { return Step::error("ERR Invalid quorum") };
    let Some(port) = number(port) else { return Step::error("ERR Invalid port") };
    let Some(quorum) = u32::try_from(quorum).ok().filter(|q| *q > 0) else {
        return Step::error("ERR Quorum must be 1 or greater.");
    };
    let named =
        view.globals.resolve_hostnames && !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic() && b != b',');
    if !named && host.parse::<std::net::IpAddr>().is_err() {
        return Step::error("ERR Invalid IP address or hostname specified");
    }
    let master = MasterName::from(*name);
    if view.masters.contains_key(&master) {
        return Step::error("ERR Duplicate master name.");
    }
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic() && b != b',') {
        return Step::error("ERR Invalid master name: letters, digits, `.`, `-` and `_`");
    }
    let Some(port) = u16::try_from(port).ok().filter(|p| *p > 0) else {
        return Step::error("ERR Invalid port number.");
    };
    let mut settings = Settings::new(quorum);
    settings.down_after = view.tuning.default_down_after;
    settings.failover_timeout = view.tuning.default_failover_timeout;
    Step::operate(Request::Monitor { master, address: Address::new(host, port), settings })
}

fn info_cache(names: &[&str], view: &View, now: Millis) -> Step {
    let mut replies = Vec::new();
    for master in names.iter().filter_map(|name| view.masters.get(&MasterName::from(*name))) {
        let instances = std::iter::once(&master.instance).chain(&master.replicas);
        let entry = |instance: &InstanceView| match &instance.info {
            Some((at, text)) => {
                let age = i64::try_from(now.since(*at)).unwrap_or(i64::MAX);
                Value::Array(vec![Value::Integer(age), Value::bulk(&**text)])
            }
            None => Value::Array(vec![Value::Integer(0), Value::Null]),
        };
        replies.push(Value::bulk(master.name.as_str()));
        replies.push(Value::Array(instances.map(entry).collect()));
    }
    Step::one(Value::Array(replies))
}

fn script(script: &ScriptView, now: Millis) -> Value {
    let pair = |key: &str, value: String| (Value::bulk(key), Value::bulk(value));
    let mut map = vec![(Value::bulk("argv"), Value::bulks(&script.argv))];
    match script.running {
        Some((pid, since)) => {
            map.push(pair("flags", "running".to_owned()));
            map.push(pair("pid", pid.to_string()));
            map.push(pair("run-time", now.since(since).to_string()));
        }
        None => {
            map.push(pair("flags", "scheduled".to_owned()));
            map.push(pair("pid", "0".to_owned()));
            map.push(pair("run-delay", script.due.map_or(0, |due| due.since(now)).to_string()));
        }
    }
    map.push(pair("retry-num", script.retries.to_string()));
    Value::Map(map)
}

fn simulate(words: &[&str], view: &View) -> Step {
    let mut simulated: SimulatedFailures = view.simulated;
    for word in words {
        match word.to_ascii_lowercase().as_str() {
            "crash-after-election" => simulated.after_election = true,
            "crash-after-promotion" => simulated.after_promotion = true,
            "help" => return Step::one(Value::bulks(["crash-after-election", "crash-after-promotion"])),
            _ => return Step::error("ERR Unknown failure simulation specified"),
        }
    }
    Step::Work(vec![Work::Simulate(simulated)], Value::OK)
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::core::ids::RunId;
    use crate::resp::Version;
    use bytes::BytesMut;
    use std::sync::Arc;

    fn on(view: &View, line: &str) -> Step {
        let mut words = line.split(' ').map(|w| Bytes::copy_from_slice(w.as_bytes()));
        let subcommand = words.next().unwrap();
        let words: Vec<Bytes> = words.collect();
        let caller = testing::CALLER;
        let sight = Sight { view, now: testing::NOW, deny_scripts: true, executable: |_| true, caller };
        call(std::str::from_utf8(&subcommand).unwrap(), &words, sight)
    }

    fn text_in(step: Step, version: Version) -> String {
        let Step::Reply(values) = step else { panic!("no reply: {step:?}") };
        let mut out = BytesMut::new();
        values.iter().for_each(|v| v.encode(version, &mut out));
        String::from_utf8_lossy(&out).replace("\r\n", " ").trim_end().to_owned()
    }

    fn text(line: &str) -> String {
        text_in(on(&testing::view(), line), Version::Resp2)
    }

    #[test]
    fn replies_as_redis_sentinel_gives_them() {
        let me = RunId::from_number(20);
        let table = [
            ("get-master-addr-by-name mymaster", "*2 $9 127.0.0.1 $4 6379".to_owned()),
            ("get-master-addr-by-name nosuch", "*-1".to_owned()),
            ("master nosuch", "-ERR No such master with that name".to_owned()),
            ("failover nosuch", "-ERR No such master with that name".to_owned()),
            ("set nosuch quorum 1", "-ERR No such master with that name".to_owned()),
            ("myid", format!("$40 {me}")),
            ("reset nosuch", ":0".to_owned()),
            ("info-cache nosuch", "*0".to_owned()),
            ("pending-scripts", "*0".to_owned()),
            ("simulate-failure help", "*2 $20 crash-after-election $21 crash-after-promotion".to_owned()),
            ("simulate-failure foo", "-ERR Unknown failure simulation specified".to_owned()),
            ("is-master-down-by-addr 127.0.0.1 x 0 *", "-ERR value is not an integer or out of range".to_owned()),
            ("is-master-down-by-addr 127.0.0.1 1 x *", "-ERR value is not an integer or out of range".to_owned()),
            ("monitor a 127.0.0.1 x 2", "-ERR Invalid port".to_owned()),
            ("monitor a 127.0.0.1 1 x", "-ERR Invalid quorum".to_owned()),
            ("monitor a 127.0.0.1 1 0", "-ERR Quorum must be 1 or greater.".to_owned()),
            ("monitor a 127.0.0.1 70000 1", "-ERR Invalid port number.".to_owned()),
            ("monitor a foo.example 1 1", "-ERR Invalid IP address or hostname specified".to_owned()),
            ("monitor mymaster 127.0.0.1 1 1", "-ERR Duplicate master name.".to_owned()),
        ];
        for (line, expected) in table {
            assert_eq!(text(line), expected, "{line}");
        }
        assert!(text("myversion").contains("mainstay "));
        assert!(text("info-cache mymaster other").starts_with("*4 $8 mymaster *3 *2 :2000 $32 # Server"));
        assert!(text("info-cache other").ends_with("*1 *2 :0 $-1"));
    }

    #[test]
    fn lists_have_a_map_for_each_instance() {
        for (line, start, new) in [
            ("masters", "*2 *40 $4 name $8 mymaster $2 ip", "*2 %20 $4 name"),
            ("master mymaster", "*40 $4 name $8 mymaster", "%20 $4 name"),
            ("replicas mymaster", "*2 *42 $4 name $14 127.0.0.1:6380", "*2 %21 "),
            ("sentinels mymaster", "*2 *28 $4 name $40 ", "*2 %14 "),
            ("slaves other", "*0", "*0"),
        ] {
            assert!(text(line).starts_with(start), "{line}: {}", text(line));
            let new_text = text_in(on(&testing::view(), line), Version::Resp3);
            assert!(new_text.starts_with(new), "{line}: {new_text}");
        }
    }

    #[test]
    fn quorum_and_majority() {
        let mut view = testing::view();
        let expected = "+OK 3 usable Sentinels. Quorum and failover authorization can be reached";
        assert_eq!(text_in(on(&view, "ckquorum mymaster"), Version::Resp2), expected);
        let mymaster = Arc::make_mut(view.masters.get_mut(&"mymaster".into()).unwrap());
        mymaster.sentinels.iter_mut().for_each(|peer| peer.instance.down_since = Some(testing::NOW));
        let expected = "-NOQUORUM 1 usable Sentinels. Not enough available Sentinels to reach the specified quorum for this \
            master. Not enough available Sentinels to reach the majority and authorize a failover";
        assert_eq!(text_in(on(&view, "ckquorum mymaster"), Version::Resp2), expected);
        Arc::make_mut(view.masters.get_mut(&"mymaster".into()).unwrap()).settings.quorum = 1;
        let expected = "-NOQUORUM 1 usable Sentinels. Not enough available Sentinels to reach the majority and authorize a failover";
        assert_eq!(text_in(on(&view, "ckquorum mymaster"), Version::Resp2), expected);
    }

    #[test]
    fn requests_for_the_core() {
        let view = testing::view();
        let one = |line: &str| match on(&view, line) {
            Step::Work(mut work, reply) if work.len() == 1 => (work.remove(0), reply),
            other => panic!("{line}: {other:?}"),
        };
        let operator = |request| (Work::Operator(request), Value::OK);
        assert_eq!(one("failover mymaster"), operator(Request::Failover("mymaster".into())));
        assert_eq!(one("remove other"), operator(Request::Remove("other".into())));
        assert_eq!(one("flushconfig"), operator(Request::Flush));
        let names = vec!["mymaster".into()];
        assert_eq!(one("reset my*"), (Work::Operator(Request::Reset(names)), Value::Integer(1)));
        let settings = Settings::new(2);
        let monitor = Request::Monitor { master: "a".into(), address: Address::new("::1", 7), settings };
        assert_eq!(one("monitor a ::1 7 2"), operator(monitor));
        let simulated = SimulatedFailures { after_election: true, after_promotion: false };
        assert_eq!(one("simulate-failure CRASH-AFTER-ELECTION"), (Work::Simulate(simulated), Value::OK));

        let asked = |line: &str| match on(&view, line) {
            Step::Ask(question) => question,
            other => panic!("{line}: {other:?}"),
        };
        let id = RunId::from_number(9);
        let question = asked(&format!("is-master-down-by-addr 127.0.0.1 6379 5 {id} planned"));
        let address = Address::new("127.0.0.1", 6379);
        assert_eq!(question, Question { address, epoch: Epoch(5), candidate: Some(id), planned: true });
        assert_eq!(asked("is-master-down-by-addr 127.0.0.1 6379 5 *").candidate, None);
    }

    #[test]
    fn a_script_that_waits_and_one_that_runs() {
        let mut view = testing::view();
        let argv = vec!["/n".to_owned(), "+sdown".to_owned()];
        let waits = ScriptView { argv, running: None, due: Some(testing::NOW.after(30)), retries: 1 };
        let runs = ScriptView { running: Some((7, testing::NOW)), ..waits.clone() };
        view.scripts = vec![waits, runs];
        let expected = "*2 *10 $4 argv *2 $2 /n $6 +sdown $5 flags $9 scheduled $3 pid $1 0 $9 run-delay $2 30 $9 retry-num \
            $1 1 *10 $4 argv *2 $2 /n $6 +sdown $5 flags $7 running $3 pid $1 7 $8 run-time $1 0 $9 retry-num $1 1";
        assert_eq!(text_in(on(&view, "pending-scripts"), Version::Resp2), expected);
    }
}
