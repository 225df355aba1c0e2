//! What a failover needs, looked at before: the sentinels, and every server as if it were the master and as if it were a
//! replica.

use serde::Serialize;

use super::super::door::{Access, Door};
use super::super::group::{self, Fields, Seen};
use super::super::remote::{Failed, Remote};
use super::plan::{By, Plan};
use crate::core::ids::Address;
use crate::resp::Value;
use crate::server::is_executable;

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    /// What; does not change between versions.
    pub(super) code: &'static str,
    pub(super) found: Found,
    pub(super) text: String,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Found {
    Good,
    /// It cannot be seen from here, or it is a choice: nothing waits for it.
    Note,
    Bad,
}

impl Check {
    fn of(code: &'static str, good: bool, text: impl Into<String>) -> Check {
        Check { code, found: if good { Found::Good } else { Found::Bad }, text: text.into() }
    }

    fn note(code: &'static str, text: impl Into<String>) -> Check {
        Check { code, found: Found::Note, text: text.into() }
    }
}

/// A server as it says it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Node {
    at: String,
    /// Why it says nothing.
    error: Option<String>,
    requirepass: bool,
    masterauth: bool,
    min_replicas: u64,
    /// `CONFIG` may not be called.
    hidden: bool,
    role: String,
    /// A replica: its link to the master stands, and the first synchronisation is over.
    connected: bool,
    /// How far it has come.
    offset: u64,
}

/// Looks at everything.
pub(super) async fn look(
    remote: &mut Remote,
    door: &Door,
    access: &Access,
    plan: &Plan,
    seen: &Seen,
    servers: &[Address],
) -> Result<Vec<Check>, Failed> {
    let name = plan.master.clone();
    let doors = group::doors(remote, door, std::slice::from_ref(&name)).await?;
    let views = group::everywhere(doors, move |remote| sentinel(remote, name.clone())).await;
    let replicas = group::list(remote, "REPLICAS", &plan.master).await?;
    let mut nodes = Vec::new();
    for at in servers {
        let mut node = node(&access.door(at.clone(), door.patience)).await;
        node.at = at.to_string();
        nodes.push(node);
    }
    let mut checks = sentinels(seen, &views);
    checks.extend(copies(&replicas, &nodes, plan));
    checks.extend(roles(&nodes));
    checks.push(fencing(seen, &nodes, access.on_this_machine));
    checks.push(script(seen, access.on_this_machine));
    Ok(checks)
}

/// What a sentinel sees, and whether quorum and majority can be reached from there.
async fn sentinel(mut remote: Remote, name: String) -> Sight {
    let seen = group::see(&mut remote, &name).await?;
    let quorum = remote.call(&["SENTINEL", "CKQUORUM", &name]).await?;
    Ok((seen, quorum.as_error().is_none()))
}

async fn node(door: &Door) -> Node {
    let told = async {
        let mut remote = Remote::connect(door).await?;
        let role = remote.ask(&["ROLE"]).await?;
        let mut node = part(&role);
        for name in ["requirepass", "masterauth", "min-replicas-to-write"] {
            let reply = remote.call(&["CONFIG", "GET", name]).await?;
            node.hidden |= reply.as_error().is_some();
            let fields = Fields::of(&reply);
            match name {
                "requirepass" => node.requirepass = !fields.text(name).is_empty(),
                "masterauth" => node.masterauth = !fields.text(name).is_empty(),
                _ => node.min_replicas = fields.number(name),
            }
        }
        Ok::<Node, Failed>(node)
    };
    told.await.unwrap_or_else(|e| Node { error: Some(group::reason(&e)), ..Node::default() })
}

/// What a sentinel sees, and whether quorum and majority can be reached there.
type Sight = Result<(Seen, bool), Failed>;
type View = (Address, Sight);

/// The answer to `ROLE`: `master offset …`, or `slave host port state offset`.
fn part(role: &Value) -> Node {
    let words = role.as_list().unwrap_or_default();
    let text = |i: usize| words.get(i).and_then(Value::as_str).unwrap_or_default();
    let number = |i: usize| words.get(i).and_then(Value::as_integer).and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
    let role = text(0).to_owned();
    let (connected, offset) = if role == "slave" { (text(3) == "connected", number(4)) } else { (false, number(1)) };
    Node { role, connected, offset, ..Node::default() }
}

fn sentinels(seen: &Seen, views: &[View]) -> Vec<Check> {
    let which = |bad: &dyn Fn(&Sight) -> bool| {
        let found: Vec<String> = views.iter().filter(|(_, v)| bad(v)).map(|(at, _)| at.to_string()).collect();
        (found.is_empty(), found.join(", "))
    };
    let check = |code, good: &str, bad: &str, test: &dyn Fn(&Sight) -> bool| {
        let (well, found) = which(test);
        Check::of(code, well, if well { good.to_owned() } else { format!("{bad}: {found}") })
    };
    let differs = |v: &Seen| v.address != seen.address || v.config_epoch() != seen.config_epoch();
    vec![
        check("sentinels", "all sentinels answer", "cannot be reached", &|v| v.is_err()),
        check("quorum", "quorum and majority can be reached everywhere", "no quorum at", &|v| {
            v.as_ref().is_ok_and(|(_, quorum)| !quorum)
        }),
        check("agreement", "all see the same master in the same epoch", "another view at", &|v| {
            v.as_ref().is_ok_and(|(view, _)| differs(view))
        }),
        check("rest", "no failover is under way, and the master is up", "not at rest at", &|v| {
            v.as_ref().is_ok_and(|(view, _)| view.in_progress() || view.state() != "up")
        }),
        check("mode", "all sentinels act", "only observing at", &|v| {
            v.as_ref().is_ok_and(|(view, _)| view.mode() != "acting")
        }),
    ]
}

/// The replicas, by their own word of now, and whom the sentinel could promote.
fn copies(replicas: &[Fields], nodes: &[Node], plan: &Plan) -> Vec<Check> {
    let total = replicas.len();
    let fresh: Vec<&Node> = nodes.iter().filter(|n| n.role == "slave" && n.connected).collect();
    let furthest = nodes.iter().filter(|n| n.role == "master").map(|n| n.offset).max().unwrap_or(0);
    let behind = fresh.iter().map(|n| furthest.saturating_sub(n.offset)).max().unwrap_or(0);
    let able = |r: &&Fields| r.number("slave-priority") > 0 && !r.flag("s_down") && !r.flag("disconnected");
    let able = replicas.iter().filter(able).count();
    let text = format!("{} of {total} replicas are in sync, at most {behind} bytes behind", fresh.len());
    let mut checks = vec![
        Check::of("replicas", total > 0 && fresh.len() == total, text),
        Check::of("candidates", able > 0, format!("{able} of {total} replicas may be promoted")),
    ];
    if let Some(k) = plan.confirm {
        let after = match plan.by {
            By::Switchover => total,
            By::Kill(_) => total.saturating_sub(1),
        };
        let text = format!("writes are confirmed with {k} replicas, and {after} are there afterwards");
        checks.push(Check::of("confirm", k > 0 && k <= after as u64, text));
    }
    checks
}

/// Every server can play both parts.
fn roles(nodes: &[Node]) -> Vec<Check> {
    let join = |found: Vec<String>| found.join(", ");
    let silent: Vec<String> = nodes.iter().filter_map(|n| Some(format!("{} ({})", n.at, n.error.as_ref()?))).collect();
    let mut checks = vec![Check::of(
        "servers",
        silent.is_empty(),
        if silent.is_empty() {
            format!("all {} servers answer with these credentials", nodes.len())
        } else {
            format!("no answer from {}", join(silent))
        },
    )];
    let masters = nodes.iter().filter(|n| n.role == "master").count();
    checks.push(Check::of(
        "one-master",
        masters == 1,
        format!("{masters} of {} servers report to be a master", nodes.len()),
    ));
    if nodes.iter().any(|n| n.hidden) {
        checks.push(Check::note("masterauth", "`CONFIG GET` is not allowed: who logs in at whom cannot be seen"));
        return checks;
    }
    // Whoever follows has to log in at whoever may be the master.
    let wants = nodes.iter().any(|n| n.requirepass);
    let open: Vec<String> =
        nodes.iter().filter(|n| wants && n.error.is_none() && !n.masterauth).map(|n| n.at.clone()).collect();
    checks.push(Check::of(
        "masterauth",
        open.is_empty(),
        if open.is_empty() {
            "every server can log in at every other as its replica".to_owned()
        } else {
            format!("a password is wanted, and no `masterauth` is set at {}: it could not follow", join(open))
        },
    ));
    checks
}

/// The fence can do its work.
fn fencing(seen: &Seen, nodes: &[Node], on_this_machine: bool) -> Check {
    let mode = seen.status.as_ref().map_or("", |s| s.text("fencing"));
    let mut words = mode.split_whitespace();
    match (words.next(), words.next()) {
        (Some("gate"), Some(m)) => {
            let want: u64 = m.parse().unwrap_or(0);
            let open: Vec<&str> =
                nodes.iter().filter(|n| n.error.is_none() && n.min_replicas != want).map(|n| n.at.as_str()).collect();
            let replicas = nodes.len().saturating_sub(1) as u64;
            let text = match (open.as_slice(), want < replicas) {
                ([], true) => format!("the gate of {want} is set everywhere"),
                ([], false) => {
                    format!("the gate of {want} is set, and the loss of one of {replicas} replicas stops writes")
                }
                (open, _) => format!("the gate of {want} is not set at {}", open.join(", ")),
            };
            Check::of("fencing", open.is_empty() && want < replicas, text)
        }
        (Some("command"), Some(path)) if on_this_machine => {
            let good = is_executable(path);
            let text = if good { "can be run" } else { "is no file that this user may run" };
            Check::of("fencing", good, format!("the fence script {path} {text}"))
        }
        (Some("command"), Some(path)) => {
            Check::note("fencing", format!("the fence script {path} is on the sentinels' machines: not seen from here"))
        }
        (Some("on-return"), _) => Check::note(
            "fencing",
            "`on-return` promises nothing: a stopped master may acknowledge writes that are lost",
        ),
        _ => Check::note("fencing", "no fencing: a master that is cut off may acknowledge writes that are lost"),
    }
}

fn script(seen: &Seen, on_this_machine: bool) -> Check {
    match seen.master.text("notification-script") {
        "" => Check::note("notification", "no notification script: nobody is told"),
        path if on_this_machine => {
            let good = is_executable(path);
            let text = if good { "can be run" } else { "is no file that this user may run" };
            Check::of("notification", good, format!("the notification script {path} {text}"))
        }
        path => Check::note("notification", format!("the notification script {path} is not seen from here")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::group::tests::seen;
    use super::*;

    fn node(at: &str, role: &str) -> Node {
        Node { at: at.to_owned(), role: role.to_owned(), ..Node::default() }
    }

    fn bad(checks: &[Check]) -> Vec<&'static str> {
        checks.iter().filter(|c| c.found == Found::Bad).map(|c| c.code).collect()
    }

    #[test]
    fn a_server_that_could_not_follow_is_found_before() {
        let mut nodes = [node("a:1", "master"), node("b:2", "slave")];
        assert_eq!(bad(&roles(&nodes)), [""; 0]);
        (nodes[0].requirepass, nodes[0].masterauth) = (true, false);
        nodes[1].masterauth = true;
        let checks = roles(&nodes);
        assert_eq!(bad(&checks), ["masterauth"]);
        assert!(checks.iter().any(|c| c.text.contains("set at a:1")), "{checks:?}");
        nodes[1].error = Some("refused".into());
        nodes[1].role.clear();
        nodes[0].role = "slave".into();
        assert_eq!(bad(&roles(&nodes)), ["servers", "one-master", "masterauth"]);
        nodes[0].hidden = true;
        assert_eq!(bad(&roles(&nodes)), ["servers", "one-master"]);
    }

    #[test]
    fn fences_are_looked_at_where_they_can_be_seen() {
        let with = |fencing: &str| seen(1, &[], Some(&[("fencing", fencing)]));
        let mut nodes = [node("a:1", "master"), node("b:2", "slave"), node("c:3", "slave")];
        assert_eq!(fencing(&with("none"), &nodes, true).found, Found::Note);
        assert_eq!(fencing(&with("gate 1"), &nodes, true).found, Found::Bad);
        nodes.iter_mut().for_each(|n| n.min_replicas = 1);
        assert_eq!(fencing(&with("gate 1"), &nodes, true).found, Found::Good);
        assert!(fencing(&with("gate 1"), &nodes[..2], true).text.contains("stops writes"));
        assert_eq!(fencing(&with("command /bin/sh"), &nodes, true).found, Found::Good);
        assert_eq!(fencing(&with("command /no/such"), &nodes, true).found, Found::Bad);
        assert_eq!(fencing(&with("command /no/such"), &nodes, false).found, Found::Note);
    }

    #[test]
    fn sentinels_that_differ_or_observe_are_named() {
        let well = [("flags", "master"), ("config-epoch", "3")];
        let here = seen(6379, &well, Some(&[("mode", "acting")]));
        let at = |n: u16| Address::new("h", n);
        let views =
            [(at(1), Ok((here.clone(), true))), (at(2), Ok((seen(6380, &well, Some(&[("mode", "paused")])), false)))];
        assert_eq!(bad(&sentinels(&here, &views)), ["quorum", "agreement", "mode"]);
        assert_eq!(bad(&sentinels(&here, &views[..1])), [""; 0]);
    }

    #[test]
    fn replicas_are_in_sync_and_enough() {
        let fields = |line: &str| Fields::of(&Value::bulks(line.split_whitespace()));
        let (able, never) = (fields("flags slave slave-priority 100"), fields("flags slave slave-priority 0"));
        let (here, gone) = (able.clone(), fields("flags s_down,slave slave-priority 100"));
        let role = |words: &[&str]| part(&Value::bulks(words));
        let master = role(&["master", "900", ""]);
        let (well, lost) = (role(&["slave", "h", "1", "connected", "850"]), role(&["slave", "h", "1", "connect", "7"]));
        let plan = |line: &str| {
            let words = line.split_whitespace().map(str::to_owned).collect();
            Plan::parse(&mut super::super::super::super::words::Words::new(words)).unwrap()
        };
        let table = [
            ("m --confirm 2", [&able, &here], [&well, &well], vec![]),
            ("m", [&able, &gone], [&well, &lost], vec!["replicas"]),
            ("m", [&never, &gone], [&well, &well], vec!["candidates"]),
            ("m --kill-with x --confirm 2", [&able, &here], [&well, &well], vec!["confirm"]),
        ];
        for (line, replicas, nodes, expected) in table {
            let nodes = [vec![master.clone()], nodes.map(Node::clone).to_vec()].concat();
            let checks = copies(&replicas.map(Fields::clone), &nodes, &plan(line));
            assert_eq!(bad(&checks), expected, "{line}");
            assert!(checks[0].text.ends_with("at most 50 bytes behind"), "{checks:?}");
        }
    }
}
