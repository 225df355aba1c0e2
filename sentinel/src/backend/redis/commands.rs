//! Which words make a server do what, and what its replies say about it. Pure.
//!
//! A change of role is one transaction: the new role, the file rewritten, every client kicked out so that it asks the
//! sentinels anew. `ROLE` follows in the same write, so the outcome is known one round trip after the order. A master
//! that steps down is asked for its role inside the transaction too: what it was at that very moment, and how far it had
//! come.

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
    /// As `ReplicaOf`, from being the master.
    FormerMaster(Address),
}

impl Become {
    /// A replica that receives from nobody.
    pub(super) fn detached() -> Become {
        Become::ReplicaOf(Address::new(NOWHERE.0, NOWHERE.1))
    }

    fn order(&self, names: &Names) -> Words {
        match self {
            Become::Master => names.words("SLAVEOF", &["NO", "ONE"]),
            Become::ReplicaOf(a) | Become::FormerMaster(a) => names.words("SLAVEOF", &[&a.host, &a.port.to_string()]),
        }
    }

    /// The order in a transaction, and `ROLE` behind it.
    pub(super) fn transaction(&self, names: &Names) -> Vec<Words> {
        let trimmings = [
            names.words("CONFIG", &["REWRITE"]),
            names.words("CLIENT", &["KILL", "TYPE", "normal"]),
            names.words("CLIENT", &["KILL", "TYPE", "pubsub"]),
        ];
        self.together(names, trimmings.into())
    }

    /// The order alone, for a server that lets nobody rewrite its file or kill clients, and `ROLE` behind it.
    pub(super) fn plain(&self, names: &Names) -> Vec<Words> {
        match self {
            Become::FormerMaster(_) => self.together(names, Vec::new()),
            Become::Master | Become::ReplicaOf(_) => vec![self.order(names), names.words("ROLE", &[])],
        }
    }

    fn together(&self, names: &Names, trimmings: Vec<Words>) -> Vec<Words> {
        let role = || names.words("ROLE", &[]);
        let before = if self.was_master() { Some(role()) } else { None };
        let begin = [names.words("MULTI", &[])].into_iter().chain(before).chain([self.order(names)]);
        begin.chain(trimmings).chain([names.words("EXEC", &[]), role()]).collect()
    }

    fn was_master(&self) -> bool {
        matches!(self, Become::FormerMaster(_))
    }

    /// What the replies to [`transaction`](Self::transaction) or [`plain`](Self::plain) say.
    pub(super) fn outcome(&self, replies: &[Value]) -> Result<Done, Failure> {
        match replies {
            [.., Value::Error(_), _] | [] => Err(Failure::Refused),
            [.., exec, role] => {
                let done = exec.as_list().unwrap_or_default();
                let order = done.get(usize::from(self.was_master()));
                if order.is_some_and(|v| v.as_error().is_some()) {
                    return Err(Failure::Refused);
                }
                if !self.is(role) {
                    return Err(Failure::Unknown);
                }
                if self.was_master() { stepped_down(done.first()) } else { Ok(Done::Ok) }
            }
            [_] => Err(Failure::Unknown),
        }
    }

    /// The transaction failed because of something besides the order itself.
    pub(super) fn only_the_trimmings_failed(&self, replies: &[Value]) -> bool {
        let [_, first, second, .., exec, _] = replies else { return false };
        let order = if self.was_master() { second } else { first };
        let aborted = exec.as_error().is_some_and(|e| e.starts_with("EXECABORT"));
        aborted && first.as_error().is_none() && order.as_str() == Some("QUEUED")
    }

    fn is(&self, role: &Value) -> bool {
        let words: Vec<String> = role.as_list().unwrap_or_default().iter().map(text).collect();
        match (self, words.as_slice()) {
            (Become::Master, [role, ..]) => role == "master",
            (Become::ReplicaOf(a) | Become::FormerMaster(a), [role, host, port, ..]) => {
                role == "slave" && **host == *a.host && *port == a.port.to_string()
            }
            _ => false,
        }
    }
}

/// What `ROLE` told just before the order: a master and how far it had come, or none.
fn stepped_down(role: Option<&Value>) -> Result<Done, Failure> {
    match role.and_then(Value::as_list) {
        Some([role, offset, ..]) if role.as_str() == Some("master") => {
            let offset = offset.as_integer().and_then(|n| n.try_into().ok()).ok_or(Failure::Unknown)?;
            Ok(Done::Rested { offset })
        }
        Some(_) => Err(Failure::NotMaster),
        None => Err(Failure::Unknown),
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
    fn a_master_that_steps_down_tells_what_it_was() {
        let former = Become::FormerMaster(Address::new("h", 7));
        let lines: Vec<String> = former.plain(&Names::default()).iter().map(|w| w.join(" ")).collect();
        assert_eq!(lines.join("|"), "MULTI|ROLE|SLAVEOF h 7|EXEC|ROLE");
        let (q, master) = (|| Value::simple("QUEUED"), || Value::Array(vec![Value::bulk("master"), Value::Integer(5)]));
        let replies =
            |was: Value, order: Value, is: Value| vec![Value::OK, q(), q(), Value::Array(vec![was, order]), is];
        let table = [
            (replies(master(), Value::OK, role_of("h", 7)), Ok(Done::Rested { offset: 5 })),
            (replies(role_of("x", 1), Value::OK, role_of("h", 7)), Err(Failure::NotMaster)),
            (replies(master(), err("ERR cluster"), master()), Err(Failure::Refused)),
            (replies(master(), Value::OK, role_of("h", 8)), Err(Failure::Unknown)),
            (replies(Value::Null, Value::OK, role_of("h", 7)), Err(Failure::Unknown)),
        ];
        for (replies, outcome) in table {
            assert_eq!(former.outcome(&replies), outcome, "{replies:?}");
        }
    }

    #[test]
    fn a_forbidden_trimming_is_told_from_a_forbidden_order() {
        let aborted = |order| queued(order, err("EXECABORT Transaction discarded"), Value::Null);
        assert!(Become::Master.only_the_trimmings_failed(&aborted(Value::simple("QUEUED"))));
        assert!(!Become::Master.only_the_trimmings_failed(&aborted(err("NOPERM"))));
        assert!(!Become::Master.only_the_trimmings_failed(&[]));
        let mut replies = aborted(Value::simple("QUEUED"));
        replies.insert(1, Value::simple("QUEUED"));
        let former = Become::FormerMaster(Address::new("h", 7));
        assert!(former.only_the_trimmings_failed(&replies));
        for forbidden in [1, 2] {
            let mut replies = replies.clone();
            replies[forbidden] = err("NOPERM");
            assert!(!former.only_the_trimmings_failed(&replies), "{replies:?}");
        }
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
