//! Who may log in and call what. One snapshot of all users, swapped whole when one changes.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use bytes::Bytes;

use super::command::{Called, by_full_name};
use super::glob;
use super::subscriptions::By;
use crate::conf::{CommandRule, Rule, RuleError, Scope, Selector, ServerConfig, User, merged, parse_users};
use crate::core::ids::Millis;
use crate::store::replace;

/// The users, and what was refused lately.
#[derive(Debug)]
pub(super) struct Users {
    all: ArcSwap<BTreeMap<String, Arc<User>>>,
    /// Changes come one at a time.
    change: Mutex<()>,
    refused: Mutex<VecDeque<Refused>>,
    refused_most: usize,
}

/// What is refused again within so many milliseconds is counted, as in Redis, and not listed anew.
const IN_A_ROW_MS: u64 = 60_000;

/// One thing that was refused, so many times in a row.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    pub(super) count: i64,
    /// auth, command or channel.
    pub(super) reason: &'static str,
    pub(super) object: String,
    pub(super) username: String,
    pub(super) at: Millis,
    pub(super) client: String,
}

impl Users {
    /// The users of the configuration, or of its ACL file.
    ///
    /// # Errors
    /// What is wrong with the ACL file, or the rule about a command that does not exist.
    pub(super) fn new(config: &ServerConfig) -> Result<Self, String> {
        let users = match &config.aclfile {
            None => known(config.users.clone())?,
            Some(path) => read(Path::new(path))?,
        };
        let mut default = User::default_user();
        if let Some(password) = &config.requirepass {
            default.require(&password.0);
        }
        Ok(Self {
            all: ArcSwap::from_pointee(named(std::iter::once(default).chain(users))),
            change: Mutex::new(()),
            refused: Mutex::default(),
            refused_most: config.acllog_max_len,
        })
    }

    /// Reads the ACL file again; all users are replaced, or none.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn load(&self, path: &str) -> Result<(), String> {
        let users = read(Path::new(path))?;
        let _one = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        self.all.store(Arc::new(named(std::iter::once(User::default_user()).chain(users))));
        Ok(())
    }

    /// Writes the ACL file from the users as they are. Comments in it are lost, as by Redis.
    ///
    /// # Errors
    /// What the disk says; then the file is as it was.
    pub(super) fn save(&self, path: &str) -> Result<(), String> {
        // No change comes between what is written and what holds when this returns.
        let _one = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let text: String = self.all.load().values().map(|user| format!("user {user}\n")).collect();
        replace(Path::new(path), text.as_bytes()).map_err(|error| format!("aclfile {path}: {error}"))
    }

    pub(super) fn all(&self) -> Arc<BTreeMap<String, Arc<User>>> {
        self.all.load_full()
    }

    pub(super) fn get(&self, name: &str) -> Option<Arc<User>> {
        self.all.load().get(name).cloned()
    }

    /// Everybody is the default user without a login.
    pub(super) fn open(&self) -> bool {
        self.get("default").is_some_and(|user| user.enabled && user.nopass)
    }

    pub(super) fn accepts(&self, name: &str, password: &[u8]) -> bool {
        self.get(name).is_some_and(|user| user.accepts(password))
    }

    /// Makes or changes a user: all rules, or none of them if one is none.
    ///
    /// # Errors
    /// The text of the error for the client.
    pub(super) fn set<'a>(&self, name: &str, rules: impl Iterator<Item = &'a str>) -> Result<(), String> {
        if name.is_empty() || name.contains([' ', '\0']) {
            return Err("ERR Usernames can't contain spaces or null characters".to_owned());
        }
        let _one = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let mut user = self.get(name).map_or_else(|| User::new(name), |user| (*user).clone());
        let rules: Vec<&str> = rules.collect();
        let rules = merged(&rules).map_err(|open| {
            format!("ERR Unmatched parenthesis in acl selector starting at '{}'.", Rule::shown(open))
        })?;
        for text in rules {
            let applied =
                Rule::read(&text).and_then(|rule| match rule.commands().iter().find(|rule| !is_known(rule)) {
                    None => user.apply(rule),
                    Some(_) => Err(RuleError::Unknown),
                });
            applied.map_err(|error| format!("ERR Error in ACL SETUSER modifier '{}': {error}", Rule::shown(&text)))?;
        }
        let mut all = (*self.all()).clone();
        all.insert(user.name.clone(), Arc::new(user));
        self.all.store(Arc::new(all));
        Ok(())
    }

    /// Removes users; how many there were.
    pub(super) fn remove<'a>(&self, names: impl Iterator<Item = &'a str>) -> usize {
        let _one = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = (*self.all()).clone();
        let before = all.len();
        names.for_each(|name| {
            all.remove(name);
        });
        let removed = before - all.len();
        self.all.store(Arc::new(all));
        removed
    }

    /// Remembers that something was refused.
    pub(super) fn refuse(&self, refused: Refused) {
        let mut list = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |known: &Refused| {
            (known.reason, &known.object, &known.username) == (refused.reason, &refused.object, &refused.username)
                && refused.at.since(known.at) < IN_A_ROW_MS
        };
        let before = list.iter().position(same).and_then(|at| list.remove(at));
        let count = before.map_or(0, |known| known.count) + refused.count;
        list.push_front(Refused { count, ..refused });
        list.truncate(self.refused_most);
    }

    /// What was refused lately, the newest first.
    pub(super) fn refused(&self) -> Vec<Refused> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    pub(super) fn forget_refused(&self) {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// What a user may not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied<'a> {
    /// To call this at all.
    Command,
    /// To use this channel.
    Channel(&'a Bytes),
}

/// Whether the user may make this call: one of its selectors must allow the command and every channel in it.
///
/// # Errors
/// What it may not; a channel where a selector allows the command, the one that is furthest behind.
pub(super) fn permits<'a>(user: &User, called: &Called, words: &'a [Bytes]) -> Result<(), Denied<'a>> {
    let (by, channels) = channels(called, words);
    let mut furthest = None;
    for selector in user.all_selectors().filter(|selector| allows(selector, called, words)) {
        match channels.iter().position(|channel| !opens(selector, by, channel)) {
            None => return Ok(()),
            at => furthest = furthest.max(at),
        }
    }
    Err(furthest.map_or(Denied::Command, |at| Denied::Channel(&channels[at])))
}

/// The words of a call that name channels, and how.
fn channels<'a>(called: &Called, words: &'a [Bytes]) -> (By, &'a [Bytes]) {
    match called.command.name {
        "subscribe" => (By::Channel, &words[1..]),
        "psubscribe" => (By::Pattern, &words[1..]),
        "publish" => (By::Channel, &words[1..2]),
        _ => (By::Channel, &[]),
    }
}

/// The last rule that fits decides.
fn allows(selector: &Selector, called: &Called, words: &[Bytes]) -> bool {
    let fits = |scope: &Scope| match scope {
        Scope::All => true,
        Scope::Category(name) => called.leaf().categories.contains(&name.as_str()),
        Scope::Command(name) => called.command.name == name,
        Scope::Subcommand(name, sub) => {
            let first = || words.get(1).is_some_and(|word| word.eq_ignore_ascii_case(sub.as_bytes()));
            called.command.name == name && called.subcommand.map_or_else(first, |known| known.name == sub)
        }
    };
    selector.commands.iter().rev().find(|rule| fits(&rule.scope)).is_some_and(|rule| rule.allow)
}

/// The selector opens this channel, or all that this pattern stands for: a pattern must be one of the selector's.
fn opens(selector: &Selector, by: By, name: &[u8]) -> bool {
    selector.channels.iter().any(|allowed| match by {
        _ if allowed == "*" => true,
        By::Channel => glob::matches(allowed.as_bytes(), name),
        By::Pattern => allowed.as_bytes() == name,
    })
}

/// The user may listen to this.
pub(super) fn may_listen(user: &User, by: By, name: &[u8]) -> bool {
    user.all_selectors().any(|selector| opens(selector, by, name))
}

/// The command exists. Of one without subcommands a first word can be allowed, but not forbidden.
pub(crate) fn is_known(rule: &CommandRule) -> bool {
    match &rule.scope {
        Scope::All | Scope::Category(_) => true,
        Scope::Command(name) => by_full_name(name.as_bytes()).is_some(),
        Scope::Subcommand(name, sub) => by_full_name(name.as_bytes()).is_some_and(|called| {
            let subs = called.command.subcommands;
            if subs.is_empty() { rule.allow } else { subs.iter().any(|known| known.name == sub) }
        }),
    }
}

/// These users, if all commands they speak of exist.
fn known(users: Vec<User>) -> Result<Vec<User>, String> {
    for user in &users {
        let mut rules = user.all_selectors().flat_map(|selector| &selector.commands);
        if let Some(rule) = rules.find(|rule| !is_known(rule)) {
            return Err(format!("user {}: rule `{rule}`: {}", user.name, RuleError::Unknown));
        }
    }
    Ok(users)
}

fn read(path: &Path) -> Result<Vec<User>, String> {
    let text = std::fs::read(path).map_err(|error| format!("aclfile {}: {error}", path.display()))?;
    let users = parse_users(&text).map_err(|problems| format!("aclfile {}: {problems}", path.display()))?;
    known(users).map_err(|error| format!("aclfile {}: {error}", path.display()))
}

fn named(users: impl Iterator<Item = User>) -> BTreeMap<String, Arc<User>> {
    users.map(|user| (user.name.clone(), Arc::new(user))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::command::find;
    use super::*;

    fn users(text: &str) -> Users {
        Users::new(&crate::conf::parse(text.as_bytes()).unwrap().server).unwrap()
    }

    #[test]
    fn who_may_log_in() {
        assert!(users("").open());
        let with_password = users("requirepass pw");
        assert!(!with_password.open() && with_password.accepts("default", b"pw"));
        assert!(!with_password.accepts("default", b"") && !with_password.accepts("nobody", b"pw"));
        // A line for the default user counts more than `requirepass`.
        assert!(users("requirepass pw\nuser default on >other ~* &* +@all").accepts("default", b"other"));
        assert!(!users("user default off").open());
    }

    #[test]
    fn who_may_call_what() {
        let table = [
            ("+ping", "ping", ""),
            ("+ping", "role", "command"),
            ("+@all -sentinel|failover", "sentinel failover m", "command"),
            ("+@all -sentinel|failover", "sentinel masters", ""),
            ("+@all -@dangerous +sentinel|masters", "sentinel masters", ""),
            ("+@all -@dangerous", "sentinel masters", "command"),
            ("+sentinel -sentinel|set", "sentinel set m quorum 1", "command"),
            ("+@connection", "client id", ""),
            ("-@all", "ping", "command"),
            ("+ping|x", "ping x", ""),
            ("+ping|x", "ping", "command"),
            // One selector must allow all of it.
            ("+ping (+role)", "role", ""),
            ("+ping (+role)", "client id", "command"),
            ("+@all -role (+role)", "role", ""),
            ("+subscribe (allchannels)", "subscribe a", "a"),
            ("+@all (+subscribe &x*)", "subscribe x1", ""),
            ("+@all (+subscribe &x*)", "subscribe x1 z", "z"),
            ("(+subscribe &x*) (+subscribe &z)", "subscribe x1 z", "z"),
            ("(+psubscribe &x*)", "psubscribe x*", ""),
            ("(+psubscribe &x*)", "psubscribe x1*", "x1*"),
            ("+publish &y", "publish y text", ""),
            ("+publish &y", "publish z text", "z"),
            ("+unsubscribe", "unsubscribe z", ""),
        ];
        for (rules, line, denied) in table {
            let users = users(&format!("user bob on nopass {rules}"));
            let words: Vec<Bytes> = line.split(' ').map(|w| Bytes::copy_from_slice(w.as_bytes())).collect();
            let said = match permits(&users.get("bob").unwrap(), &find(&words).unwrap(), &words) {
                Ok(()) => "",
                Err(Denied::Command) => "command",
                Err(Denied::Channel(name)) => std::str::from_utf8(name).unwrap(),
            };
            assert_eq!(said, denied, "{rules}: {line}");
        }
    }

    #[test]
    fn who_may_listen_to_what() {
        let bob = users("user bob on nopass &+s* +@all (&-s*)").get("bob").unwrap();
        assert!(may_listen(&bob, By::Channel, b"+sdown") && may_listen(&bob, By::Pattern, b"+s*"));
        assert!(may_listen(&bob, By::Channel, b"-sdown") && !may_listen(&bob, By::Channel, b"+odown"));
        assert!(!may_listen(&bob, By::Pattern, b"*") && may_listen(&User::default_user(), By::Pattern, b"*"));
    }

    #[test]
    fn rules_about_commands_that_do_not_exist_are_told() {
        let with = |rules: &str| {
            let text = format!("user bob on nopass {rules}");
            Users::new(&crate::conf::parse(text.as_bytes()).unwrap().server).map(drop)
        };
        for rules in ["+@all -sentinel|failover", "+client|setinfo", "+ping|x", "(+sentinel|why-not)"] {
            assert_eq!(with(rules), Ok(()), "{rules}");
        }
        for (rules, rule) in [
            ("+get", "+get"),
            ("+@all -get", "-get"),
            ("-@all +ping (+sentinel|x)", "+sentinel|x"),
            ("+@all -ping|x", "-ping|x"),
        ] {
            let expected = format!("user bob: rule `{rule}`: Unknown command or category name in ACL");
            assert_eq!(with(rules), Err(expected), "{rules}");
        }
    }

    #[test]
    fn a_user_changes_whole_or_not_at_all() {
        let users = users("");
        users.set("bob", ["on", ">x"].into_iter()).unwrap();
        let error = users.set("bob", ["off", "foo"].into_iter()).unwrap_err();
        assert_eq!(error, "ERR Error in ACL SETUSER modifier 'foo': Syntax error");
        let error = users.set("bob", ["off", "(+ping", ">x"].into_iter()).unwrap_err();
        assert_eq!(error, "ERR Unmatched parenthesis in acl selector starting at '(+ping'.");
        assert!(users.accepts("bob", b"x"));
        assert_eq!(users.remove(["bob", "nobody"].into_iter()), 1);
        assert!(!users.accepts("bob", b"x"));
    }

    #[test]
    fn an_acl_file() {
        let dir = std::env::temp_dir().join(format!("mainstay-acl-{}", std::process::id()));
        std::fs::write(&dir, "user default off\nuser bob on >x +@all\n").unwrap();
        let path = dir.to_str().unwrap();
        let users = users(&format!("aclfile \"{path}\""));
        assert!(users.accepts("bob", b"x") && !users.open());
        std::fs::write(&dir, "nonsense\n").unwrap();
        assert!(users.load(path).unwrap_err().contains("line 1: `nonsense`"));
        assert!(users.accepts("bob", b"x"));
        users.set("amy", ["on", ">y", "+ping", "&+*"].into_iter()).unwrap();
        users.save(path).unwrap();
        let before = users.all();
        users.remove(["amy"].into_iter());
        users.load(path).unwrap();
        assert_eq!(users.all(), before);
        std::fs::remove_file(&dir).unwrap();
        assert!(users.save(&format!("{path}/no/such")).is_err());
        assert!(users.load(path).is_err());
    }
}
