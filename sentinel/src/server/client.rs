//! `CLIENT …`: this connection and the others.

use bytes::Bytes;

use super::clients::{Client, Clients, Filter};
use super::command::by_full_name;
use super::help;
use super::step::Step;
use super::users::Users;
use crate::core::ids::Millis;
use crate::resp::{Value, integer};

const BAD_NAME: &str = "Client names cannot contain spaces, newlines or special characters.";

/// Carries out a subcommand, `REPLY` aside; `words` begin after its name, and their number was checked.
pub(super) fn call(sub: &str, words: &[Bytes], me: &Client, clients: &Clients, users: &Users, now: Millis) -> Step {
    match sub {
        "id" => Step::one(Value::Integer(i64::try_from(me.id).unwrap_or(i64::MAX))),
        "getname" => {
            let name = me.facts().name.clone();
            Step::one(if name.is_empty() { Value::Null } else { Value::bulk(name) })
        }
        "setname" => match set_name(me, &words[0]) {
            Ok(()) => Step::ok(),
            Err(text) => Step::error(text),
        },
        "setinfo" => set_info(me, words),
        "info" => Step::one(Value::Verbatim(*b"txt", format!("{}\n", me.line(now)).into())),
        "list" => list(words, clients, now),
        "kill" => kill(words, me, clients, users),
        "no-evict" | "no-touch" => on_off(&words[0]),
        "unpause" => Step::ok(),
        "unblock" => unblock(words),
        "getredir" => Step::one(Value::Integer(-1)),
        "trackinginfo" => {
            let pair = |key: &str, value: Value| (Value::bulk(key), value);
            Step::one(Value::Map(vec![
                pair("flags", Value::Set(vec![Value::bulk("off")])),
                pair("redirect", Value::Integer(-1)),
                pair("prefixes", Value::Array(Vec::new())),
            ]))
        }
        "tracking" if words[0].eq_ignore_ascii_case(b"off") => Step::ok(),
        "tracking" if words[0].eq_ignore_ascii_case(b"on") => {
            Step::error("ERR there are no keys to track at a sentinel")
        }
        "tracking" => Step::syntax_error(),
        "caching" => Step::error(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
        ),
        "pause" => Step::error("ERR a sentinel does not pause its clients"),
        _ => Step::one(help::of(by_full_name(b"client"))),
    }
}

/// Names the connection; an empty name takes the name away.
///
/// # Errors
/// The text of the error for the client.
pub(super) fn set_name(me: &Client, name: &[u8]) -> Result<(), String> {
    me.facts().name = plain(name).ok_or_else(|| format!("ERR {BAD_NAME}"))?;
    Ok(())
}

/// A text that keeps the lines of `CLIENT LIST` readable, and their length bounded.
fn plain(text: &[u8]) -> Option<String> {
    let fits = text.len() <= 256 && text.iter().all(u8::is_ascii_graphic);
    fits.then(|| String::from_utf8_lossy(text).into_owned())
}

fn set_info(me: &Client, words: &[Bytes]) -> Step {
    let name = String::from_utf8_lossy(&words[0]).to_ascii_lowercase();
    let Some(value) = plain(&words[1]) else {
        return Step::error(format!("ERR {name} cannot contain spaces, newlines or special characters."));
    };
    match name.as_str() {
        "lib-name" => me.facts().library = value,
        "lib-ver" => me.facts().library_version = value,
        other => return Step::error(format!("ERR Unrecognized option '{other}'")),
    }
    Step::ok()
}

fn on_off(word: &[u8]) -> Step {
    let known = word.eq_ignore_ascii_case(b"on") || word.eq_ignore_ascii_case(b"off");
    if known { Step::ok() } else { Step::syntax_error() }
}

/// No connection is ever blocked.
fn unblock(words: &[Bytes]) -> Step {
    let known = |word: &Bytes| word.eq_ignore_ascii_case(b"timeout") || word.eq_ignore_ascii_case(b"error");
    match words {
        [_, reason] if !known(reason) => Step::error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"),
        [_, _, _, ..] => Step::syntax_error(),
        [id, ..] if integer(id).is_some() => Step::one(Value::Integer(0)),
        _ => Step::error("ERR value is not an integer or out of range"),
    }
}

fn list(words: &[Bytes], clients: &Clients, now: Millis) -> Step {
    let mut filter = Filter::default();
    match words {
        [] => {}
        [word, kind] if word.eq_ignore_ascii_case(b"type") => match subscriber(kind) {
            Ok(subscriber) => filter.subscriber = subscriber,
            Err(step) => return step,
        },
        [word, ids @ ..] if word.eq_ignore_ascii_case(b"id") && !ids.is_empty() => {
            let ids: Option<Vec<u64>> = ids.iter().map(|id| u64::try_from(integer(id)?).ok()).collect();
            let Some(ids) = ids else { return Step::error("ERR Invalid client ID") };
            filter.ids = Some(ids);
        }
        _ => return Step::syntax_error(),
    }
    let lines = clients.select(&filter).iter().map(|client| client.line(now) + "\n").collect::<String>();
    Step::one(Value::Verbatim(*b"txt", lines.into()))
}

/// Which connections a type means: there are no masters and replicas here, so their filter is one that nobody fits.
fn subscriber(kind: &[u8]) -> Result<Option<bool>, Step> {
    match kind.to_ascii_lowercase().as_slice() {
        b"normal" => Ok(Some(false)),
        b"pubsub" => Ok(Some(true)),
        b"master" | b"replica" | b"slave" => Err(Step::one(Value::Verbatim(*b"txt", Bytes::new()))),
        _ => Err(Step::error(format!("ERR Unknown client type '{}'", String::from_utf8_lossy(kind)))),
    }
}

fn kill(words: &[Bytes], me: &Client, clients: &Clients, users: &Users) -> Step {
    if let [address] = words {
        let filter = Filter { peer: Some(String::from_utf8_lossy(address).into_owned()), ..Filter::default() };
        return match end(&filter, me, clients) {
            (0, false) => Step::error("ERR No such client"),
            (_, false) => Step::ok(),
            (_, true) => Step::Goodbye(Value::OK),
        };
    }
    let mut filter = Filter { but: Some(me.id), ..Filter::default() };
    for pair in words.chunks(2) {
        let [option, value] = pair else { return Step::syntax_error() };
        let text = String::from_utf8_lossy(value).into_owned();
        match option.to_ascii_lowercase().as_slice() {
            b"id" => match integer(value).and_then(|id| u64::try_from(id).ok()).filter(|id| *id > 0) {
                Some(id) => filter.ids = Some(vec![id]),
                None => return Step::error("ERR client-id should be greater than 0"),
            },
            b"addr" => filter.peer = Some(text),
            b"laddr" => filter.local = Some(text),
            b"user" if users.get(&text).is_none() => return Step::error(format!("ERR No such user '{text}'")),
            b"user" => filter.user = Some(text),
            b"type" => match subscriber(value) {
                Ok(subscriber) => filter.subscriber = subscriber,
                Err(Step::Reply(values)) if values[0].as_error().is_some() => return Step::Reply(values),
                Err(_) => filter.ids = Some(Vec::new()),
            },
            b"skipme" if text.eq_ignore_ascii_case("yes") => filter.but = Some(me.id),
            b"skipme" if text.eq_ignore_ascii_case("no") => filter.but = None,
            _ => return Step::syntax_error(),
        }
    }
    let (count, own) = end(&filter, me, clients);
    let count = Value::Integer(i64::try_from(count).unwrap_or(i64::MAX));
    if own { Step::Goodbye(count) } else { Step::one(count) }
}

/// Ends the connections that fit: how many, and whether this one is among them, which ends after its reply.
fn end(filter: &Filter, me: &Client, clients: &Clients) -> (usize, bool) {
    let meant = clients.select(filter);
    meant.iter().filter(|client| client.id != me.id).for_each(|client| client.kill.notify_one());
    (meant.len(), meant.iter().any(|client| client.id == me.id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::Version;
    use bytes::BytesMut;

    struct Table {
        clients: Clients,
        users: Users,
        me: std::sync::Arc<Client>,
        other: std::sync::Arc<Client>,
    }

    fn table() -> Table {
        let clients = Clients::default();
        let open = |peer: &str| clients.open(peer.into(), "l:1".into(), Millis(0), 9).unwrap();
        let (me, other) = (open("a:1"), open("b:1"));
        Table { users: Users::new(&crate::conf::ServerConfig::default()).unwrap(), me, other, clients }
    }

    fn step(table: &Table, line: &str) -> Step {
        let mut words = line.split(' ').map(|w| Bytes::copy_from_slice(w.as_bytes()));
        let sub = words.next().unwrap();
        let words: Vec<Bytes> = words.collect();
        call(std::str::from_utf8(&sub).unwrap(), &words, &table.me, &table.clients, &table.users, Millis(0))
    }

    fn text(table: &Table, line: &str) -> String {
        let values = match step(table, line) {
            Step::Reply(values) => values,
            Step::Goodbye(value) => vec![value, Value::simple("bye")],
            other => panic!("{other:?}"),
        };
        let mut out = BytesMut::new();
        values.iter().for_each(|v| v.encode(Version::Resp2, &mut out));
        String::from_utf8_lossy(&out).replace("\r\n", " ").trim_end().to_owned()
    }

    #[test]
    fn replies_as_redis_gives_them() {
        let table = table();
        for (line, expected) in [
            ("id", ":1"),
            ("getname", "$-1"),
            ("setname foo", "+OK"),
            ("getname", "$3 foo"),
            ("setname ", "+OK"),
            ("setname \u{e4}", "-ERR Client names cannot contain spaces, newlines or special characters."),
            ("setinfo lib-name redis-py", "+OK"),
            ("setinfo LIB-VER 5.0", "+OK"),
            ("setinfo lib-x y", "-ERR Unrecognized option 'lib-x'"),
            ("list type pubsub", "$0"),
            ("list type foo", "-ERR Unknown client type 'foo'"),
            ("list id 77", "$0"),
            ("kill 1.2.3.4:5", "-ERR No such client"),
            ("kill id 9999", ":0"),
            ("kill id x", "-ERR client-id should be greater than 0"),
            ("kill type foo", "-ERR Unknown client type 'foo'"),
            ("kill type replica", ":0"),
            ("kill foo bar", "-ERR syntax error"),
            ("kill id 1 type", "-ERR syntax error"),
            ("kill user nosuch", "-ERR No such user 'nosuch'"),
            ("no-evict on", "+OK"),
            ("no-evict x", "-ERR syntax error"),
            ("unblock 3", ":0"),
            ("trackinginfo", "*6 $5 flags *1 $3 off $8 redirect :-1 $8 prefixes *0"),
        ] {
            assert_eq!(text(&table, line), expected, "{line}");
        }
        assert!(text(&table, "info").contains("lib-name=redis-py lib-ver=5.0"));
        assert_eq!(text(&table, "list").matches("addr=").count(), 4);
    }

    #[tokio::test]
    async fn others_end_at_once_and_this_one_after_its_reply() {
        let table = table();
        assert_eq!(text(&table, "kill type normal"), ":1");
        table.other.kill.notified().await;
        assert_eq!(text(&table, "kill type normal skipme no"), ":2 +bye");
        table.other.kill.notified().await;
        assert_eq!(text(&table, "kill a:1"), "+OK +bye");
    }
}
