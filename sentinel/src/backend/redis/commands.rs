//! Which words make a server do what, and what its replies say about it. Pure.
//!
//! A change of role is one transaction: the new role, the file rewritten, every client kicked out so that it asks the
//! sentinels anew. `ROLE` follows in the same write, so the outcome is known one round trip after the order.

use super::dial::Names;
use crate::core::event::{Done, Failure, PingReply};
use crate::core::ids::Address;
use crate::resp::Value;

/// One command.
pub(super) type Words = Vec<String>;

/// Where a replica is sent that shall receive from nobody: no server listens on this port.
const NOWHERE: (&str, u16) = ("127.0.0.1", 1);

/// What a server shall become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Become {
    Master,
    ReplicaOf(Address),
}

impl Become {
    /// A replica that receives from nobody.
    pub(super) fn detached() -> Become {
        Become::ReplicaOf(Address::new(NOWHERE.0, NOWHERE.1))
    }

    fn order(&self, names: &Names) -> Words {
        match self {
            Become::Master => names.words("SLAVEOF", &["NO", "ONE"]),
            Become::ReplicaOf(a) => names.words("SLAVEOF", &[&a.host, &a.port.to_string()]),
        }
    }

    /// The order in a transaction, and `ROLE` behind it.
    pub(super) fn transaction(&self, names: &Names) -> Vec<Words> {
        vec![
            names.words("MULTI", &[]),
            self.order(names),
            names.words("CONFIG", &["REWRITE"]),
            names.words("CLIENT", &["KILL", "TYPE", "normal"]),
            names.words("CLIENT", &["KILL", "TYPE", "pubsub"]),
            names.words("EXEC", &[]),
            names.words("ROLE", &[]),
        ]
    }

    /// The order alone, for a server that lets nobody rewrite its file or kill clients, and `ROLE` behind it.
    pub(super) fn plain(&self, names: &Names) -> Vec<Words> {
        vec![self.order(names), names.words("ROLE", &[])]
    }

    /// What the replies to [`transaction`](Self::transaction) or [`plain`](Self::plain) say.
    pub(super) fn outcome(&self, replies: &[Value]) -> Result<Done, Failure> {
        match replies {
            [.., Value::Error(_), _] | [] => Err(Failure::Refused),
            [.., order, role] => {
                let first = order.as_list().and_then(<[Value]>::first);
                if first.is_some_and(|v| v.as_error().is_some()) {
                    return Err(Failure::Refused);
                }
                if self.is(role) { Ok(Done::Ok) } else { Err(Failure::Unknown) }
            }
            [_] => Err(Failure::Unknown),
        }
    }

    /// The transaction failed because of something besides the order itself.
    pub(super) fn only_the_trimmings_failed(replies: &[Value]) -> bool {
        let [_, order, .., exec, _] = replies else { return false };
        let aborted = exec.as_error().is_some_and(|e| e.starts_with("EXECABORT"));
        aborted && order.as_str() == Some("QUEUED")
    }

    fn is(&self, role: &Value) -> bool {
        let words: Vec<String> = role.as_list().unwrap_or_default().iter().map(text).collect();
        match (self, words.as_slice()) {
            (Become::Master, [role, ..]) => role == "master",
            (Become::ReplicaOf(a), [role, host, port, ..]) => {
                role == "slave" && **host == *a.host && *port == a.port.to_string()
            }
            _ => false,
        }
    }
}

/// What came back on a PING.
pub(super) fn ping_reply(value: &Value) -> PingReply {
    let text = value.as_error().map_or_else(|| text(value), std::borrow::Cow::into_owned);
    match text.as_str() {
        t if t.starts_with("PONG") => PingReply::Pong,
        t if t.starts_with("LOADING") => PingReply::Loading,
        t if t.starts_with("MASTERDOWN") => PingReply::MasterDown,
        t if t.starts_with("BUSY") => PingReply::Busy,
        _ => PingReply::Other,
    }
}

/// The value of one option in the reply of `CONFIG GET`.
pub(super) fn option(value: &Value) -> Option<String> {
    match value {
        Value::Map(pairs) => pairs.first().map(|(_, v)| text(v)),
        _ => value.as_list()?.get(1).map(text),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Integer(n) => n.to_string(),
        other => other.as_str().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn err(text: &str) -> Value {
        Value::error(text)
    }

    fn queued(order: Value, exec: Value, role: Value) -> Vec<Value> {
        let q = || Value::simple("QUEUED");
        vec![Value::OK, order, q(), q(), q(), exec, role]
    }

    fn role_of(host: &str, port: i64) -> Value {
        Value::Array(vec![Value::bulk("slave"), Value::bulk(host), Value::Integer(port), Value::bulk("connect")])
    }

    #[test]
    fn the_transaction_is_that_of_redis_sentinel() {
        let names = Names::new([("SLAVEOF".to_owned(), "hidden".to_owned())].into());
        let lines: Vec<String> =
            Become::ReplicaOf(Address::new("h", 7)).transaction(&names).iter().map(|w| w.join(" ")).collect();
        let want = "MULTI|hidden h 7|CONFIG REWRITE|CLIENT KILL TYPE normal|CLIENT KILL TYPE pubsub|EXEC|ROLE";
        assert_eq!(lines.join("|"), want);
        assert_eq!(Become::Master.plain(&Names::default()).concat().join(" "), "SLAVEOF NO ONE ROLE");
    }

    #[test]
    fn the_outcome_is_what_role_says() {
        let q = || Value::simple("QUEUED");
        let exec = |first: Value| Value::Array(vec![first, err("ERR no config file"), Value::Integer(0)]);
        let master = || Value::Array(vec![Value::bulk("master"), Value::Integer(5)]);
        let follow = Become::ReplicaOf(Address::new("h", 7));
        let table = [
            (&Become::Master, queued(q(), exec(Value::OK), master()), Ok(Done::Ok)),
            (&Become::Master, queued(q(), exec(Value::OK), role_of("h", 7)), Err(Failure::Unknown)),
            (&Become::Master, queued(q(), exec(err("ERR cluster")), master()), Err(Failure::Refused)),
            (&Become::Master, queued(err("NOPERM"), err("EXECABORT x"), master()), Err(Failure::Refused)),
            (&follow, queued(q(), exec(Value::OK), role_of("h", 7)), Ok(Done::Ok)),
            (&follow, queued(q(), exec(Value::OK), role_of("h", 8)), Err(Failure::Unknown)),
            (&follow, vec![Value::OK, role_of("h", 7)], Ok(Done::Ok)),
            (&follow, vec![err("ERR"), role_of("x", 7)], Err(Failure::Refused)),
            (&follow, vec![], Err(Failure::Refused)),
        ];
        for (what, replies, outcome) in table {
            assert_eq!(what.outcome(&replies), outcome, "{what:?} {replies:?}");
        }
    }

    #[test]
    fn a_forbidden_trimming_is_told_from_a_forbidden_order() {
        let aborted = |order| queued(order, err("EXECABORT Transaction discarded"), Value::Null);
        assert!(Become::only_the_trimmings_failed(&aborted(Value::simple("QUEUED"))));
        assert!(!Become::only_the_trimmings_failed(&aborted(err("NOPERM"))));
        assert!(!Become::only_the_trimmings_failed(&[]));
    }

    #[test]
    fn replies_to_a_ping() {
        let table = [
            (Value::simple("PONG"), PingReply::Pong),
            (err("LOADING Redis is loading"), PingReply::Loading),
            (err("MASTERDOWN Link"), PingReply::MasterDown),
            (err("BUSY Redis is busy"), PingReply::Busy),
            (err("NOAUTH"), PingReply::Other),
            (Value::Integer(1), PingReply::Other),
        ];
        for (value, reply) in table {
            assert_eq!(ping_reply(&value), reply);
        }
    }

    #[test]
    fn options_in_both_versions() {
        assert_eq!(option(&Value::bulks(["min-slaves-to-write", "1"])).as_deref(), Some("1"));
        let map = Value::Map(vec![(Value::bulk("k"), Value::bulk("2"))]);
        assert_eq!(option(&map).as_deref(), Some("2"));
        assert_eq!(option(&Value::Array(vec![])), None);
    }
}
