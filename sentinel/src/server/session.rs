//! One connection's state, and what each command does to it. Decides only; the connection acts.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::clients::{Client, Filter};
use super::command::{self, Called};
use super::sentinel::{self, Caller, Sight};
use super::step::Step;
use super::subscriptions::{By, Subscriptions};
use super::users::{Denied, Refused, may_listen, permits};
use super::{Port, REDIS_VERSION, acl, client, help, info, login};
use crate::backend::redis::hello;
use crate::core::ids::Millis;
use crate::request::Published;
use crate::resp::{Value, Version};
use crate::view::View;

/// The state of a connection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) client: Arc<Client>,
    pub(super) version: Version,
    pub(super) user: String,
    pub(super) logged_in: bool,
    subscriptions: Subscriptions,
    mute: Mute,
}

/// Whether commands are answered (`CLIENT REPLY`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mute {
    No,
    /// The next one is not.
    Next,
    /// Nothing is until told so.
    Off,
}

/// What there is to look at while a command is carried out.
#[derive(Clone, Copy)]
pub(super) struct World<'a> {
    pub(super) port: &'a Port,
    pub(super) view: &'a View,
    pub(super) now: Millis,
    /// Milliseconds since 1970.
    pub(super) today: u64,
}

impl Session {
    pub(super) fn new(client: Arc<Client>) -> Self {
        Self {
            client,
            version: Version::default(),
            user: "default".to_owned(),
            logged_in: false,
            subscriptions: Subscriptions::default(),
            mute: Mute::No,
        }
    }

    /// It may call more than what a login needs.
    pub(super) fn may_work(&self, port: &Port) -> bool {
        self.logged_in || port.users.open()
    }

    pub(super) fn is_subscriber(&self) -> bool {
        !self.subscriptions.is_empty()
    }

    /// Its user may listen to all that it listens to: the user may have been changed since.
    pub(super) fn may_listen(&self, port: &Port) -> bool {
        let user = port.users.get(&self.user);
        user.is_some_and(|user| self.subscriptions.all().all(|(by, name)| may_listen(&user, by, name)))
    }

    /// What a notice is to this connection.
    pub(super) fn messages(&self, published: &Published) -> Vec<Value> {
        self.subscriptions.messages(published)
    }

    /// Carries out a command; false beside the step if its reply is not to be sent.
    pub(super) fn execute(&mut self, words: &[Bytes], world: World<'_>) -> (Step, bool) {
        let mute = self.mute;
        if mute == Mute::Next {
            self.mute = Mute::No;
        }
        let step = self.checked(words, world);
        world.port.clients.counters.commands.fetch_add(1, Ordering::Relaxed);
        // `CLIENT REPLY ON` is answered itself, the other two are not.
        (step, mute != Mute::Next && self.mute == Mute::No)
    }

    fn checked(&mut self, words: &[Bytes], world: World<'_>) -> Step {
        // What a browser sends when it was led here by somebody else's page.
        if words.first().is_some_and(|w| w.eq_ignore_ascii_case(b"post") || w.eq_ignore_ascii_case(b"host:")) {
            return Step::Close;
        }
        let called = match command::find(words) {
            Ok(called) => called,
            Err(text) => return Step::error(text),
        };
        {
            let mut facts = self.client.facts();
            facts.command = called.full_name();
            facts.active = world.now;
        }
        let is_login = called.leaf().flags.contains(&"no_auth");
        if !is_login && !self.may_work(world.port) {
            return Step::error("NOAUTH Authentication required.");
        }
        let Some(user) = world.port.users.get(&self.user) else { return Step::Close };
        match permits(&user, &called, words) {
            Err(Denied::Command) if !is_login => {
                self.remember("command", &called.full_name(), world);
                let text = format!("NOPERM this user has no permissions to run the '{}' command", called.full_name());
                return Step::error(text);
            }
            Err(Denied::Channel(name)) => {
                self.remember("channel", &String::from_utf8_lossy(name), world);
                let text = "NOPERM this user has no permissions to access one of the channels used as arguments";
                return Step::error(text);
            }
            Err(Denied::Command) | Ok(()) => {}
        }
        if self.version == Version::Resp2 && self.is_subscriber() && !is_for_subscribers(&called) {
            return Step::error(format!(
                "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this \
                 context",
                called.full_name()
            ));
        }
        self.call(&called, words, world)
    }

    fn call(&mut self, called: &Called, words: &[Bytes], world: World<'_>) -> Step {
        let World { port, view, now, .. } = world;
        let sub = called.subcommand.map(|sub| sub.name);
        let rest = &words[(1 + usize::from(sub.is_some())).min(words.len())..];
        match (called.command.name, sub) {
            ("sentinel", Some(sub)) => {
                let deny_scripts = port.config.deny_scripts_reconfig;
                let caller = Caller { user: &self.user, from: &self.client.peer, today: world.today };
                sentinel::call(sub, rest, Sight { view, now, deny_scripts, executable: super::is_executable, caller })
            }
            ("client", Some("reply")) => self.reply(&rest[0]),
            ("client", Some(sub)) => client::call(sub, rest, &self.client, &port.clients, &port.users, now),
            ("acl", Some(sub)) => {
                let step = acl::call(sub, rest, &port.users, &self.user, port.config.aclfile.as_deref(), now);
                if sub == "deluser" {
                    self.cut_off(rest, port);
                }
                step
            }
            ("command", sub) => help::command(sub, rest),
            ("auth", _) => login::auth(self, rest, world),
            ("hello", _) => login::hello(self, rest, world),
            ("ping", _) => self.ping(rest),
            // A string in either version, unlike at a Redis server.
            ("info", _) => Step::one(Value::bulk(info_text(rest, world))),
            ("role", _) => {
                let names = Value::bulks(view.masters.keys().map(|name| name.as_str()));
                Step::one(Value::Array(vec![Value::bulk("sentinel"), names]))
            }
            ("publish", _) if rest[0] == hello::CHANNEL => publish(&rest[1]),
            ("publish", _) => Step::error("ERR Only HELLO messages are accepted by Sentinel instances."),
            ("subscribe", _) => self.subscribe(By::Channel, rest),
            ("psubscribe", _) => self.subscribe(By::Pattern, rest),
            ("unsubscribe", _) => self.unsubscribe(By::Channel, rest),
            ("punsubscribe", _) => self.unsubscribe(By::Pattern, rest),
            ("shutdown", _) => shutdown(rest),
            (name, _) => Step::error(format!("ERR wrong number of arguments for '{name}' command")),
        }
    }

    /// Ends the connections of users that are no more; this one ends with its next command.
    fn cut_off(&self, names: &[Bytes], port: &Port) {
        for name in names.iter().filter_map(|name| std::str::from_utf8(name).ok()) {
            if port.users.get(name).is_none() {
                let filter = Filter { user: Some(name.to_owned()), but: Some(self.client.id), ..Filter::default() };
                port.clients.select(&filter).iter().for_each(|client| client.kill.notify_one());
            }
        }
    }

    fn ping(&self, words: &[Bytes]) -> Step {
        match words {
            _ if words.len() > 1 => Step::error("ERR wrong number of arguments for 'ping' command"),
            _ if self.version == Version::Resp2 && self.is_subscriber() => {
                let text = words.first().cloned().unwrap_or_default();
                Step::one(Value::Array(vec![Value::bulk("pong"), Value::Bulk(text)]))
            }
            [text] => Step::one(Value::Bulk(text.clone())),
            _ => Step::one(Value::simple("PONG")),
        }
    }

    fn reply(&mut self, word: &[u8]) -> Step {
        self.mute = match word.to_ascii_lowercase().as_slice() {
            b"on" => Mute::No,
            b"off" => Mute::Off,
            b"skip" if self.mute == Mute::Off => Mute::Off,
            b"skip" => Mute::Next,
            _ => return Step::syntax_error(),
        };
        Step::ok()
    }

    fn subscribe(&mut self, by: By, names: &[Bytes]) -> Step {
        let replies = self.subscriptions.add(by, names);
        self.client.facts().subscriptions = self.subscriptions.counts();
        Step::Reply(replies)
    }

    fn unsubscribe(&mut self, by: By, names: &[Bytes]) -> Step {
        let replies = self.subscriptions.remove(by, names);
        self.client.facts().subscriptions = self.subscriptions.counts();
        Step::Reply(replies)
    }

    /// Keeps for `ACL LOG` that something was refused.
    pub(super) fn remember(&self, reason: &'static str, object: &str, world: World<'_>) {
        self.remember_of(reason, object, &self.user, world);
    }

    /// The same for another user than that of the connection.
    pub(super) fn remember_of(&self, reason: &'static str, object: &str, user: &str, world: World<'_>) {
        let short = |text: &str| text.chars().take(128).collect::<String>();
        world.port.users.refuse(Refused {
            count: 1,
            reason,
            object: short(object),
            username: short(user),
            at: world.now,
            client: self.client.line(world.now),
        });
    }

    /// The reply to `HELLO`.
    pub(super) fn greeting(&self) -> Value {
        let pair = |key: &str, value: Value| (Value::bulk(key), value);
        Value::Map(vec![
            pair("server", Value::bulk("redis")),
            pair("version", Value::bulk(REDIS_VERSION)),
            pair("proto", Value::Integer(self.version.number())),
            pair("id", Value::Integer(i64::try_from(self.client.id).unwrap_or(i64::MAX))),
            pair("mode", Value::bulk("sentinel")),
            pair("modules", Value::Array(Vec::new())),
        ])
    }
}

fn is_for_subscribers(called: &Called) -> bool {
    matches!(called.command.name, "subscribe" | "psubscribe" | "unsubscribe" | "punsubscribe" | "ping")
}

/// Takes the hello of another sentinel. What is none is passed over, as from anybody who publishes at a data server.
fn publish(text: &[u8]) -> Step {
    match std::str::from_utf8(text).ok().and_then(hello::parse) {
        Some(hello) => Step::Hello(hello),
        None => Step::one(Value::Integer(1)),
    }
}

fn info_text(words: &[Bytes], world: World<'_>) -> String {
    let port = world.port;
    let wanted: Vec<String> = words.iter().map(|w| String::from_utf8_lossy(w).to_ascii_lowercase()).collect();
    let source = info::Source {
        view: world.view,
        now: world.now,
        clients: &port.clients,
        max_clients: port.config.max_clients,
        identity: &port.identity,
        port: if port.config.port == 0 { port.config.tls.port } else { port.config.port },
    };
    info::text(&wanted, &source)
}

fn shutdown(words: &[Bytes]) -> Step {
    let given = |known: &[u8]| words.iter().any(|word| word.eq_ignore_ascii_case(known));
    let is_known =
        |word: &Bytes| [&b"nosave"[..], b"save", b"now", b"force"].iter().any(|k| word.eq_ignore_ascii_case(k));
    match words {
        [word] if word.eq_ignore_ascii_case(b"abort") => Step::error("ERR No shutdown in progress."),
        words if words.iter().all(is_known) && !(given(b"save") && given(b"nosave")) => Step::Shutdown,
        _ => Step::syntax_error(),
    }
}
