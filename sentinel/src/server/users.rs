//! Who may log in and call what. One snapshot of all users, swapped whole when one changes.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::command::Called;
use super::glob;
use super::subscriptions::By;
use crate::conf::{Rule, Scope, ServerConfig, User, parse_users};
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
    /// What is wrong with the ACL file.
    pub(super) fn new(config: &ServerConfig) -> Result<Self, String> {
        let users = match &config.aclfile {
            None => config.users.clone(),
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
        for text in rules {
            let rule = Rule::read(text)
                .map_err(|error| format!("ERR Error in ACL SETUSER modifier '{}': {error}", Rule::shown(text)))?;
            user.apply(rule);
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
        let same = |known: &&mut Refused| {
            (known.reason, &known.object, &known.username) == (refused.reason, &refused.object, &refused.username)
        };
        if let Some(known) = list.iter_mut().find(same) {
            known.count += 1;
            known.at = refused.at;
            return;
        }
        list.push_front(refused);
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

/// The user may make this call: the last rule that fits decides.
pub(super) fn may_call(user: &User, called: &Called) -> bool {
    let fits = |scope: &Scope| match scope {
        Scope::All => true,
        Scope::Category(name) => called.leaf().categories.contains(&name.as_str()),
        Scope::Command(name) => called.command.name == name,
        Scope::Subcommand(name, sub) => {
            called.command.name == name && called.subcommand.is_some_and(|known| known.name == sub)
        }
    };
    user.commands.iter().rev().find(|rule| fits(&rule.scope)).is_some_and(|rule| rule.allow)
}

/// The user may listen to this channel, or to all that this pattern stands for: a pattern must be one of the user's.
pub(super) fn may_listen(user: &User, by: By, name: &[u8]) -> bool {
    user.channels.iter().any(|allowed| match by {
        _ if allowed == "*" => true,
        By::Channel => glob::matches(allowed.as_bytes(), name),
        By::Pattern => allowed.as_bytes() == name,
    })
}

fn read(path: &Path) -> Result<Vec<User>, String> {
    let text = std::fs::read(path).map_err(|error| format!("aclfile {}: {error}", path.display()))?;
    parse_users(&text).map_err(|problems| format!("aclfile {}: {problems}", path.display()))
}

fn named(users: impl Iterator<Item = User>) -> BTreeMap<String, Arc<User>> {
    users.map(|user| (user.name.clone(), Arc::new(user))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::command::by_full_name;
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
            ("+ping", "ping", true),
            ("+ping", "role", false),
            ("+@all -sentinel|failover", "sentinel|failover", false),
            ("+@all -sentinel|failover", "sentinel|masters", true),
            ("+@all -@dangerous +sentinel|masters", "sentinel|masters", true),
            ("+@all -@dangerous", "sentinel|masters", false),
            ("+sentinel -sentinel|set", "sentinel|set", false),
            ("+@connection", "client|id", true),
            ("-@all", "ping", false),
        ];
        for (rules, name, allowed) in table {
            let users = users(&format!("user bob on nopass {rules}"));
            let called = by_full_name(name.as_bytes()).unwrap();
            assert_eq!(may_call(&users.get("bob").unwrap(), &called), allowed, "{rules}: {name}");
        }
    }

    #[test]
    fn who_may_listen_to_what() {
        let bob = users("user bob on nopass &+s* +@all").get("bob").unwrap();
        assert!(may_listen(&bob, By::Channel, b"+sdown") && may_listen(&bob, By::Pattern, b"+s*"));
        assert!(!may_listen(&bob, By::Channel, b"-sdown") && !may_listen(&bob, By::Pattern, b"*"));
        assert!(may_listen(&User::default_user(), By::Pattern, b"*"));
    }

    #[test]
    fn a_user_changes_whole_or_not_at_all() {
        let users = users("");
        users.set("bob", ["on", ">x"].into_iter()).unwrap();
        let error = users.set("bob", ["off", "foo"].into_iter()).unwrap_err();
        assert_eq!(error, "ERR Error in ACL SETUSER modifier 'foo': Syntax error");
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
