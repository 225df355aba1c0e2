//! Users and what they may do: the rules of `user <name> <rule>…`, of an ACL file and of `ACL SETUSER`.
//!
//! A password is kept as its SHA-256, as Redis keeps it. A sentinel has no keys, so rules about keys are taken and mean
//! nothing. Selectors are not known: a user that has one is refused rather than given less or more than was meant.

use std::collections::BTreeSet;
use std::fmt;

use sha2::{Digest, Sha256};

use super::lines;
use super::problem::{Problem, Problems};

/// A user.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// Its name.
    pub name: String,
    /// It may log in.
    pub enabled: bool,
    /// Any password will do.
    pub nopass: bool,
    /// SHA-256 of its passwords, in hexadecimal.
    pub passwords: BTreeSet<String>,
    /// What it may call; the last rule that fits decides, and without one nothing is allowed.
    pub commands: Vec<CommandRule>,
    /// The patterns of channels it may subscribe to; `*` for all.
    pub channels: Vec<String>,
    /// The patterns of keys, which are only shown.
    pub keys: Vec<String>,
}

/// One rule about commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRule {
    /// Allows, or forbids.
    pub allow: bool,
    /// Which commands.
    pub scope: Scope,
}

/// Which commands a rule is about; names in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All.
    All,
    /// Those of a category.
    Category(String),
    /// One, with all its subcommands.
    Command(String),
    /// One subcommand.
    Subcommand(String, String),
}

/// A rule read from text, ready to be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Enabled(bool),
    NoPass,
    ResetPass,
    AddPassword(String),
    RemovePassword(String),
    Command(CommandRule),
    Channel(String),
    ResetChannels,
    Key(String),
    ResetKeys,
    Reset,
    Nothing,
}

/// Why a rule is none. The texts are those of Redis where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// No rule looks like this.
    #[error("Syntax error")]
    Syntax,
    /// The category does not exist.
    #[error("Unknown command or category name in ACL")]
    UnknownCategory,
    /// The hash of a password is none.
    #[error(
        "The provided password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
    )]
    BadHash,
    /// Selectors are not supported.
    #[error("Selectors are not supported by this sentinel")]
    Selector,
}

/// The categories of commands, as Redis names them and in its order. `all` is none of them.
pub(crate) const CATEGORIES: &[&str] = &[
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

impl User {
    /// A user that may not log in and may do nothing, as `ACL SETUSER` makes it.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            enabled: false,
            nopass: false,
            passwords: BTreeSet::new(),
            commands: Vec::new(),
            channels: Vec::new(),
            keys: Vec::new(),
        }
    }

    /// The user that every connection begins as: it needs no password and may do everything.
    pub fn default_user() -> Self {
        let all = CommandRule { allow: true, scope: Scope::All };
        Self {
            enabled: true,
            nopass: true,
            commands: vec![all],
            channels: vec!["*".to_owned()],
            keys: vec!["~*".to_owned()],
            ..Self::new("default")
        }
    }

    /// Gives the user this password and no other, as `requirepass` does to the default user.
    pub fn require(&mut self, password: &str) {
        self.nopass = false;
        self.passwords = BTreeSet::from([hash(password)]);
    }

    /// It may log in with this password. Takes the same time for every password of a length.
    pub fn accepts(&self, password: &[u8]) -> bool {
        let given = hex(&Sha256::digest(password));
        let same = |known: &String| known.bytes().zip(given.bytes()).fold(0, |acc, (a, b)| acc | (a ^ b)) == 0;
        self.enabled && (self.nopass || self.passwords.iter().fold(false, |found, known| same(known) | found))
    }

    /// Changes the user by a rule.
    pub fn apply(&mut self, rule: Rule) {
        match rule.0 {
            Kind::Enabled(on) => self.enabled = on,
            Kind::NoPass => {
                self.passwords.clear();
                self.nopass = true;
            }
            Kind::ResetPass => {
                self.passwords.clear();
                self.nopass = false;
            }
            Kind::AddPassword(hash) => {
                self.passwords.insert(hash);
                self.nopass = false;
            }
            Kind::RemovePassword(hash) => {
                self.passwords.remove(&hash);
            }
            Kind::Command(rule) => {
                match rule.scope {
                    Scope::All => self.commands.clear(),
                    _ => self.commands.retain(|known| known.scope != rule.scope),
                }
                // Nothing is allowed anyway where no rule says so.
                if rule.allow || !self.commands.is_empty() {
                    self.commands.push(rule);
                }
            }
            Kind::Channel(pattern) if pattern == "*" => self.channels = vec![pattern],
            Kind::Channel(pattern) if !self.channels.contains(&pattern) => self.channels.push(pattern),
            Kind::Channel(_) | Kind::Nothing => {}
            Kind::ResetChannels => self.channels.clear(),
            Kind::Key(pattern) => self.keys.push(pattern),
            Kind::ResetKeys => self.keys.clear(),
            Kind::Reset => *self = Self::new(&self.name),
        }
    }

    /// The rules about commands as Redis shows them.
    pub fn shown_commands(&self) -> String {
        let mut shown: Vec<String> = self.commands.iter().map(CommandRule::to_string).collect();
        if self.commands.first().is_none_or(|rule| rule.scope != Scope::All) {
            shown.insert(0, "-@all".to_owned());
        }
        shown.join(" ")
    }

    /// The patterns of channels as Redis shows them.
    pub fn shown_channels(&self) -> String {
        self.channels.iter().map(|pattern| format!("&{pattern}")).collect::<Vec<_>>().join(" ")
    }
}

impl Rule {
    /// Reads one rule.
    ///
    /// # Errors
    /// If it is none.
    pub fn read(text: &str) -> Result<Self, RuleError> {
        let lower = text.to_ascii_lowercase();
        let all = |allow| Kind::Command(CommandRule { allow, scope: Scope::All });
        Ok(Self(match lower.as_str() {
            "on" => Kind::Enabled(true),
            "off" => Kind::Enabled(false),
            "nopass" => Kind::NoPass,
            "resetpass" => Kind::ResetPass,
            "allcommands" => all(true),
            "nocommands" => all(false),
            "allchannels" => Kind::Channel("*".to_owned()),
            "resetchannels" => Kind::ResetChannels,
            "allkeys" => Kind::Key("~*".to_owned()),
            "resetkeys" => Kind::ResetKeys,
            "reset" => Kind::Reset,
            "sanitize-payload" | "skip-sanitize-payload" | "clearselectors" => Kind::Nothing,
            _ => return by_first_letter(text, &lower).map(Self),
        }))
    }

    /// The text of a rule as it may be shown, be it one or not: without a password or its hash.
    pub fn shown(text: &str) -> &str {
        match text.chars().next() {
            Some('>') => ">******",
            Some('<') => "<******",
            Some('#') => "#******",
            Some('!') => "!******",
            _ => text,
        }
    }
}

impl fmt::Display for CommandRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.allow { "+" } else { "-" })?;
        match &self.scope {
            Scope::All => f.write_str("@all"),
            Scope::Category(name) => write!(f, "@{name}"),
            Scope::Command(name) => f.write_str(name),
            Scope::Subcommand(name, sub) => write!(f, "{name}|{sub}"),
        }
    }
}

impl fmt::Display for User {
    /// The user as a line of a configuration file, without the word `user`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, if self.enabled { "on" } else { "off" })?;
        if self.nopass {
            f.write_str(" nopass")?;
        }
        self.passwords.iter().try_for_each(|hash| write!(f, " #{hash}"))?;
        self.keys.iter().try_for_each(|pattern| write!(f, " {pattern}"))?;
        match self.channels.as_slice() {
            [all] if all == "*" => f.write_str(" &*")?,
            patterns => {
                f.write_str(" resetchannels")?;
                patterns.iter().try_for_each(|pattern| write!(f, " &{pattern}"))?;
            }
        }
        write!(f, " {}", self.shown_commands())
    }
}

impl fmt::Debug for User {
    /// Without the passwords: a hash of a short one is as good as the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.clone();
        shown.passwords.clear();
        write!(f, "User({shown}, {} passwords)", self.passwords.len())
    }
}

/// The users of an ACL file: lines `user <name> <rule>…`, and comments.
///
/// # Errors
/// All that is wrong with it.
pub fn parse_users(text: &[u8]) -> Result<Vec<User>, Problems> {
    let mut problems = Vec::new();
    let mut users = Vec::new();
    for line in lines::read(text, None, &mut problems) {
        match line.words.split_first() {
            Some((word, rest)) if word == "user" => match user(rest) {
                Ok(user) => users.push(user),
                Err(what) => problems.push(line.problem("user", what)),
            },
            _ => problems.push(line.problem(&line.words[0], "an ACL file holds `user` lines only")),
        }
    }
    if problems.is_empty() { Ok(users) } else { Err(Problems(sorted(problems))) }
}

/// A user by its name and rules. The default user begins anew, as any other.
pub(super) fn user(words: &[String]) -> Result<User, String> {
    let Some((name, rules)) = words.split_first() else { return Err("a user's name expected".to_owned()) };
    if name.is_empty() || name.contains([' ', '\0']) {
        return Err(format!("`{name}` is no name of a user"));
    }
    let mut user = User::new(name);
    for rule in rules {
        let read = Rule::read(rule).map_err(|error| format!("rule `{}`: {error}", Rule::shown(rule)))?;
        user.apply(read);
    }
    Ok(user)
}

fn by_first_letter(text: &str, lower: &str) -> Result<Kind, RuleError> {
    let Some(first) = text.chars().next() else { return Err(RuleError::Syntax) };
    let rest = &text[first.len_utf8()..];
    match first {
        '>' => Ok(Kind::AddPassword(hash(rest))),
        '<' => Ok(Kind::RemovePassword(hash(rest))),
        '#' if is_hash(rest) => Ok(Kind::AddPassword(rest.to_owned())),
        '!' if is_hash(rest) => Ok(Kind::RemovePassword(rest.to_owned())),
        '#' | '!' => Err(RuleError::BadHash),
        '&' if !rest.contains([' ', '\0']) => Ok(Kind::Channel(rest.to_owned())),
        '~' | '%' if !rest.contains([' ', '\0']) => Ok(Kind::Key(text.to_owned())),
        '(' => Err(RuleError::Selector),
        '+' | '-' => scope(&lower[1..]).map(|scope| Kind::Command(CommandRule { allow: first == '+', scope })),
        _ => Err(RuleError::Syntax),
    }
}

fn scope(name: &str) -> Result<Scope, RuleError> {
    let is_name = |n: &str| {
        !n.is_empty() && n.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b))
    };
    match (name.strip_prefix('@'), name.split_once('|')) {
        (Some("all"), _) => Ok(Scope::All),
        (Some(category), _) if CATEGORIES.contains(&category) => Ok(Scope::Category(category.to_owned())),
        (None, Some((command, sub))) if is_name(command) && is_name(sub) => {
            Ok(Scope::Subcommand(command.to_owned(), sub.to_owned()))
        }
        (None, None) if is_name(name) => Ok(Scope::Command(name.to_owned())),
        _ => Err(RuleError::UnknownCategory),
    }
}

pub(super) fn sorted(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    problems
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn hash(password: &str) -> String {
    hex(&Sha256::digest(password.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user_of(rules: &str) -> Result<User, String> {
        let words: Vec<String> = rules.split(' ').map(str::to_owned).collect();
        user(&words)
    }

    #[test]
    fn users_are_shown_as_redis_shows_them() {
        let x = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
        let table = [
            ("bob on >x +ping", format!("bob on #{x} resetchannels -@all +ping")),
            ("bob on nopass ~* &* +@all", "bob on nopass ~* &* +@all".to_owned()),
            ("bob", "bob off resetchannels -@all".to_owned()),
            ("bob +@all -sentinel|failover &a* &a*", "bob off resetchannels &a* +@all -sentinel|failover".to_owned()),
            ("bob +ping +@all -@admin -@admin", "bob off resetchannels +@all -@admin".to_owned()),
            ("bob >x <x on off", "bob off resetchannels -@all".to_owned()),
        ];
        for (rules, shown) in table {
            assert_eq!(user_of(rules).unwrap().to_string(), shown, "{rules}");
        }
        assert_eq!(User::default_user().to_string(), "default on nopass ~* &* +@all");
    }

    #[test]
    fn passwords() {
        let user = user_of("bob on >one >two").unwrap();
        assert!(user.accepts(b"one") && user.accepts(b"two") && !user.accepts(b"three") && !user.accepts(b""));
        assert!(!user_of("bob off >one").unwrap().accepts(b"one"));
        assert!(user_of("bob on nopass").unwrap().accepts(b"anything"));
        assert!(!format!("{user:?}").contains(&hash("one")));
        let mut default = User::default_user();
        default.require("pw");
        assert!(default.accepts(b"pw") && !default.accepts(b""));
    }

    #[test]
    fn what_is_no_rule() {
        let table = [
            ("bob foo", "rule `foo`: Syntax error"),
            ("bob +@nonsense", "rule `+@nonsense`: Unknown command or category name in ACL"),
            ("bob +", "rule `+`: Unknown command or category name in ACL"),
            ("bob (+ping)", "rule `(+ping)`: Selectors are not supported by this sentinel"),
        ];
        for (rules, expected) in table {
            assert_eq!(user_of(rules).unwrap_err(), expected);
        }
        assert!(user_of("bob #secret").unwrap_err().starts_with("rule `#******`: The provided password hash"));
        let found = parse_users(b"user a on\n# c\nport 1\nuser\n").unwrap_err().to_string();
        let lines = ["line 3: `port`: an ACL file holds `user` lines only", "line 4: `user`: a user's name expected"];
        assert_eq!(found, lines.join("\n"));
    }
}
