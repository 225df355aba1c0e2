//! `ACL …`: who may do what. Changes last until the next start, or are written to the ACL file by `ACL SAVE`.

use bytes::Bytes;

use super::command::{COMMANDS, by_full_name, find};
use super::help;
use super::step::Step;
use super::users::{Denied, Refused, Users, permits};
use crate::conf::{CATEGORIES, Selector, User};
use crate::core::ids::Millis;
use crate::resp::{Value, integer};

const NO_FILE: &str = "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the \
    ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to \
    store users in the Redis configuration.";

/// Carries out a subcommand; `words` begin after its name, and their number was checked.
pub(super) fn call(
    subcommand: &str,
    words: &[Bytes],
    users: &Users,
    me: &str,
    file: Option<&str>,
    now: Millis,
) -> Step {
    let texts: Vec<&str> = words.iter().filter_map(|word| std::str::from_utf8(word).ok()).collect();
    if texts.len() != words.len() {
        return Step::error("ERR arguments must be UTF-8");
    }
    match subcommand {
        "whoami" => Step::one(Value::bulk(me)),
        "users" => Step::one(Value::bulks(users.all().keys())),
        "list" => Step::one(Value::bulks(users.all().values().map(|user| format!("user {user}")))),
        "getuser" => Step::one(users.get(texts[0]).map_or(Value::Null, |user| described(&user))),
        "setuser" => match users.set(texts[0], texts[1..].iter().copied()) {
            Ok(()) => Step::ok(),
            Err(text) => Step::error(text),
        },
        "deluser" if texts.contains(&"default") => Step::error("ERR The 'default' user cannot be removed"),
        "deluser" => Step::one(count(users.remove(texts.iter().copied()))),
        "cat" => categories(&texts),
        "dryrun" => dry_run(&texts, &words[1..], users),
        "genpass" => password(&texts),
        "log" => log(&texts, users, now),
        "load" => of_file(file.map(|path| users.load(path))),
        "save" => of_file(file.map(|path| users.save(path))),
        _ => Step::one(help::of(by_full_name(b"acl"))),
    }
}

fn of_file(done: Option<Result<(), String>>) -> Step {
    match done {
        None => Step::error(NO_FILE),
        Some(Ok(())) => Step::ok(),
        Some(Err(why)) => Step::error(format!("ERR {why}")),
    }
}

fn described(user: &User) -> Value {
    let pair = |key: &str, value: Value| (Value::bulk(key), value);
    let mut pairs = vec![
        pair("flags", Value::Set(user.flags().into_iter().map(Value::bulk).collect())),
        pair("passwords", Value::bulks(&user.passwords)),
    ];
    pairs.extend(permissions(&user.root));
    let selectors = user.selectors.iter().map(|selector| Value::Map(permissions(selector).into()));
    pairs.push(pair("selectors", Value::Array(selectors.collect())));
    Value::Map(pairs)
}

fn permissions(selector: &Selector) -> [(Value, Value); 3] {
    let pair = |key: &str, text: String| (Value::bulk(key), Value::bulk(text));
    [
        pair("commands", selector.shown_commands()),
        pair("keys", selector.shown_keys()),
        pair("channels", selector.shown_channels()),
    ]
}

fn categories(words: &[&str]) -> Step {
    match words {
        [] => Step::one(Value::bulks(CATEGORIES)),
        [category] if CATEGORIES.contains(&category.to_ascii_lowercase().as_str()) => {
            let names = COMMANDS.iter().flat_map(|command| {
                let subs = command.subcommands.iter().map(|sub| format!("{}|{}", command.name, sub.name));
                std::iter::once(command.name.to_owned()).chain(subs)
            });
            Step::one(Value::bulks(names.filter(|name| help::in_category(name, category.as_bytes()))))
        }
        [category] => Step::error(format!("ERR Unknown category '{category}'")),
        _ => too_many("CAT"),
    }
}

fn dry_run(texts: &[&str], words: &[Bytes], users: &Users) -> Step {
    let Some(user) = users.get(texts[0]) else { return Step::error(format!("ERR User '{}' not found", texts[0])) };
    match find(words) {
        Ok(called) => match permits(&user, &called, words) {
            Ok(()) => Step::ok(),
            Err(Denied::Command) => Step::one(Value::bulk(format!(
                "This user has no permissions to run the '{}' command",
                called.full_name()
            ))),
            Err(Denied::Channel(name)) => Step::one(Value::bulk(format!(
                "This user has no permissions to access the '{}' channel",
                String::from_utf8_lossy(name)
            ))),
        },
        Err(text) if text.starts_with("ERR wrong number") => Step::error(text),
        Err(_) => Step::error(format!("ERR Command '{}' not found", texts[1])),
    }
}

/// Four bits to a digit, 256 bits unless told otherwise.
fn password(words: &[&str]) -> Step {
    let bits = match words {
        [] => Some(256),
        [bits] => match integer(bits.as_bytes()) {
            None => return Step::error("ERR value is not an integer or out of range"),
            bits => bits.filter(|bits| (1..=4096).contains(bits)),
        },
        _ => return too_many("GENPASS"),
    };
    let Some(bits) = bits.and_then(|bits| usize::try_from(bits).ok()) else {
        let text =
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096";
        return Step::error(text);
    };
    let digit = |_| char::from(b"0123456789abcdef"[usize::from(rand::random::<u8>() & 15)]);
    Step::one(Value::bulk((0..bits.div_ceil(4)).map(digit).collect::<String>()))
}

fn log(words: &[&str], users: &Users, now: Millis) -> Step {
    let most = match words {
        [] => 10,
        [word] if word.eq_ignore_ascii_case("reset") => {
            users.forget_refused();
            return Step::ok();
        }
        [word] => match integer(word.as_bytes()) {
            Some(most) => usize::try_from(most).unwrap_or(0),
            None => return Step::error("ERR value is not an integer or out of range"),
        },
        _ => return too_many("LOG"),
    };
    let shown = users.refused().into_iter().take(most).map(|refused| entry(refused, now));
    Step::one(Value::Array(shown.collect()))
}

fn entry(refused: Refused, now: Millis) -> Value {
    let pair = |key: &str, value: Value| (Value::bulk(key), value);
    #[allow(clippy::cast_precision_loss)]
    let age = now.since(refused.at) as f64 / 1000.0;
    Value::Map(vec![
        pair("count", Value::Integer(refused.count)),
        pair("reason", Value::bulk(refused.reason)),
        pair("context", Value::bulk("toplevel")),
        pair("object", Value::bulk(refused.object)),
        pair("username", Value::bulk(refused.username)),
        pair("age-seconds", Value::Double(age)),
        pair("client-info", Value::bulk(refused.client)),
    ])
}

fn too_many(subcommand: &str) -> Step {
    Step::error(format!("ERR unknown subcommand or wrong number of arguments for '{subcommand}'. Try ACL HELP."))
}

fn count(count: usize) -> Value {
    Value::Integer(i64::try_from(count).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::Version;
    use bytes::BytesMut;

    fn text(users: &Users, line: &str) -> String {
        let mut words = line.split(' ').map(|w| Bytes::copy_from_slice(w.as_bytes()));
        let sub = words.next().unwrap();
        let words: Vec<Bytes> = words.collect();
        let step = call(std::str::from_utf8(&sub).unwrap(), &words, users, "default", None, Millis(5000));
        let Step::Reply(values) = step else { panic!("{step:?}") };
        let mut out = BytesMut::new();
        values.iter().for_each(|v| v.encode(Version::Resp2, &mut out));
        String::from_utf8_lossy(&out).replace("\r\n", " ").trim_end().to_owned()
    }

    #[test]
    fn replies_as_redis_gives_them() {
        let users = Users::new(&crate::conf::ServerConfig::default()).unwrap();
        let hash = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
        let table = [
            ("whoami", "$7 default".to_owned()),
            ("list", "*1 $34 user default on nopass ~* &* +@all".to_owned()),
            ("getuser nosuch", "$-1".to_owned()),
            ("setuser bob on >x +ping", "+OK".to_owned()),
            ("setuser bob foo", "-ERR Error in ACL SETUSER modifier 'foo': Syntax error".to_owned()),
            (
                "getuser bob",
                format!(
                    "*12 $5 flags *1 $2 on $9 passwords *1 $64 {hash} $8 commands $11 -@all +ping $4 keys $0  \
                     $8 channels $0  $9 selectors *0"
                ),
            ),
            ("users", "*2 $3 bob $7 default".to_owned()),
            ("setuser amy reset nopass (+role ~k )", "+OK".to_owned()),
            ("setuser amy +get", "-ERR Error in ACL SETUSER modifier '+get': Unknown command or category name in ACL".to_owned()),
            (
                "getuser amy",
                "*12 $5 flags *3 $3 off $6 nopass $16 sanitize-payload $9 passwords *0 $8 commands $5 -@all $4 keys $0  \
                 $8 channels $0  $9 selectors *1 *6 $8 commands $11 -@all +role $4 keys $2 ~k $8 channels $0"
                    .to_owned(),
            ),
            ("deluser amy", ":1".to_owned()),
            ("dryrun bob ping", "+OK".to_owned()),
            (
                "dryrun bob sentinel myid",
                "$63 This user has no permissions to run the 'sentinel|myid' command".to_owned(),
            ),
            ("dryrun default subscribe a", "+OK".to_owned()),
            ("dryrun bob foo", "-ERR Command 'foo' not found".to_owned()),
            ("dryrun nosuch ping", "-ERR User 'nosuch' not found".to_owned()),
            ("deluser bob nosuch", ":1".to_owned()),
            ("deluser default", "-ERR The 'default' user cannot be removed".to_owned()),
            ("cat foo", "-ERR Unknown category 'foo'".to_owned()),
            ("cat pubsub", "*5 $10 psubscribe $7 publish $12 punsubscribe $9 subscribe $11 unsubscribe".to_owned()),
            ("log", "*0".to_owned()),
            ("log reset", "+OK".to_owned()),
            ("save", format!("-{NO_FILE}")),
        ];
        for (line, expected) in table {
            assert_eq!(text(&users, line), expected, "{line}");
        }
        assert_eq!(text(&users, "genpass 10").len(), "$3 abc".len());
        assert_ne!(text(&users, "genpass"), text(&users, "genpass"));
    }

    #[test]
    fn what_was_refused_is_counted() {
        let users = Users::new(&crate::conf::ServerConfig::default()).unwrap();
        let refused = |object: &str, at| Refused {
            count: 1,
            reason: "auth",
            object: object.into(),
            username: "bob".into(),
            at: Millis(at),
            client: "id=1".into(),
        };
        ["HELLO", "AUTH", "HELLO"].iter().for_each(|object| users.refuse(refused(object, 3500)));
        let shown = text(&users, "log");
        assert!(
            shown.starts_with("*2 *14 $5 count :2 $6 reason $4 auth $7 context $8 toplevel $6 object $5 HELLO"),
            "{shown}"
        );
        assert!(
            shown.contains("count :1") && shown.contains("$11 age-seconds $3 1.5 $11 client-info $4 id=1"),
            "{shown}"
        );
        users.refuse(refused("HELLO", 63_500));
        assert!(text(&users, "log").starts_with("*3 *14 $5 count :1"), "a minute later it is another one");
    }
}
