//! Users and what they may do: the rules of `user <name> <rule>…`, of an ACL file and of `ACL SETUSER`.
//!
//! A password is kept as its SHA-256, as Redis keeps it. A sentinel has no keys, so rules about keys are taken and mean
//! nothing.

use std::collections::BTreeSet;
use std::fmt;

use sha2::{Digest, Sha256};

use super::lines;
use super::problem::Problems;
use super::selector::{self, CommandRule, RuleError, Selector};

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
    /// Whether what it restores is looked through, where that was said. A sentinel restores nothing: it is only shown.
    pub sanitize: Option<bool>,
    /// SHA-256 of its passwords, in hexadecimal.
    pub passwords: BTreeSet<String>,
    /// What it may do.
    pub root: Selector,
    /// What it may do besides.
    pub selectors: Vec<Selector>,
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
    Sanitize(bool),
    Root(selector::Rule),
    AddSelector(Selector),
    ClearSelectors,
    Reset,
}

impl User {
    /// A user that may not log in and may do nothing, as `ACL SETUSER` makes it.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            enabled: false,
            nopass: false,
            sanitize: None,
            passwords: BTreeSet::new(),
            root: Selector::default(),
            selectors: Vec::new(),
        }
    }

    /// The user that every connection begins as: it needs no password and may do everything.
    pub fn default_user() -> Self {
        Self { enabled: true, nopass: true, root: Selector::all(), ..Self::new("default") }
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

    /// What it may do, all together.
    pub fn all_selectors(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.selectors)
    }

    /// Changes the user by a rule.
    ///
    /// # Errors
    /// When the rule has no place behind those that are there; then nothing is changed.
    pub fn apply(&mut self, rule: Rule) -> Result<(), RuleError> {
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
            Kind::RemovePassword(hash) if self.passwords.remove(&hash) => {}
            Kind::RemovePassword(_) => return Err(RuleError::NoSuchPassword),
            Kind::Sanitize(on) => self.sanitize = Some(on),
            Kind::Root(rule) => self.root.apply(rule)?,
            Kind::AddSelector(selector) => self.selectors.push(selector),
            Kind::ClearSelectors => self.selectors.clear(),
            Kind::Reset => *self = Self { sanitize: Some(true), ..Self::new(&self.name) },
        }
        Ok(())
    }

    /// Its flags as Redis names them.
    pub fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec![if self.enabled { "on" } else { "off" }];
        flags.extend(self.nopass.then_some("nopass"));
        flags.extend(self.sanitize.map(|on| if on { "sanitize-payload" } else { "skip-sanitize-payload" }));
        flags
    }
}

impl Rule {
    /// Reads one rule.
    ///
    /// # Errors
    /// If it is none.
    pub fn read(text: &str) -> Result<Self, RuleError> {
        let kind = match text.to_ascii_lowercase().as_str() {
            "on" => Kind::Enabled(true),
            "off" => Kind::Enabled(false),
            "nopass" => Kind::NoPass,
            "resetpass" => Kind::ResetPass,
            "reset" => Kind::Reset,
            "sanitize-payload" => Kind::Sanitize(true),
            "skip-sanitize-payload" => Kind::Sanitize(false),
            "clearselectors" => Kind::ClearSelectors,
            _ => return by_first_letter(text).map(Self),
        };
        Ok(Self(kind))
    }

    /// What it says of commands.
    pub fn commands(&self) -> &[CommandRule] {
        match &self.0 {
            Kind::Root(selector::Rule::Command(rule)) => std::slice::from_ref(rule),
            Kind::AddSelector(selector) => &selector.commands,
            _ => &[],
        }
    }

    /// The text of a rule as it may be shown, be it one or not: without a password or its hash.
    pub fn shown(text: &str) -> &str {
        match text.chars().next() {
            Some('>') => ">******",
            Some('<') => "<******",
            Some('#') => "#******",
            Some('!') => "!******",
            Some('(') if text.contains(['>', '<', '#', '!']) => "(******)",
            _ => text,
        }
    }
}

impl fmt::Display for User {
    /// The user as a line of a configuration file, without the word `user`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.flags().join(" "))?;
        self.passwords.iter().try_for_each(|hash| write!(f, " #{hash}"))?;
        write!(f, " {}", self.root)?;
        self.selectors.iter().try_for_each(|selector| write!(f, " ({selector})"))
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
    let mut users: Vec<User> = Vec::new();
    for line in lines::read(text, None, &mut problems) {
        match line.words.split_first() {
            Some((word, rest)) if word == "user" => match user(rest) {
                Ok(user) if users.iter().any(|known| known.name == user.name) => {
                    problems.push(line.problem("user", twice(&user)));
                }
                Ok(user) => users.push(user),
                Err(what) => problems.push(line.problem("user", what)),
            },
            _ => problems.push(line.problem(&line.words[0], "an ACL file holds `user` lines only")),
        }
    }
    if problems.is_empty() { Ok(users) } else { Err(Problems::sorted(problems)) }
}

/// What is wrong with a user that is there already.
pub(super) fn twice(user: &User) -> String {
    format!("user `{}` stands here a second time", user.name)
}

/// A user by its name and rules. The default user begins anew, as any other.
pub(super) fn user(words: &[String]) -> Result<User, String> {
    let Some((name, rules)) = words.split_first() else { return Err("a user's name expected".to_owned()) };
    if name.is_empty() || name.contains([' ', '\0']) {
        return Err(format!("`{name}` is no name of a user"));
    }
    let mut user = User::new(name);
    let rules = merged(rules).map_err(|open| format!("rule `{}`: a bracket is not closed", Rule::shown(open)))?;
    for rule in rules {
        let applied = Rule::read(&rule).and_then(|read| user.apply(read));
        applied.map_err(|error| format!("rule `{}`: {error}", Rule::shown(&rule)))?;
    }
    Ok(user)
}

/// The rules of these words: words from one that opens a bracket to one that closes it are one rule, an empty word is none.
///
/// # Errors
/// The word whose bracket is not closed.
pub fn merged<T: AsRef<str>>(words: &[T]) -> Result<Vec<String>, &str> {
    let (mut rules, mut open) = (Vec::new(), None);
    for word in words.iter().map(AsRef::as_ref) {
        let (first, rule) = match open.take() {
            None if word.is_empty() => continue,
            None => (word, word.to_owned()),
            Some((first, text)) => (first, format!("{text} {word}")),
        };
        if rule.starts_with('(') && !word.ends_with(')') {
            open = Some((first, rule));
        } else {
            rules.push(rule);
        }
    }
    open.map_or(Ok(rules), |(first, _)| Err(first))
}

fn by_first_letter(text: &str) -> Result<Kind, RuleError> {
    let Some(first) = text.chars().next() else { return Err(RuleError::Syntax) };
    let rest = &text[first.len_utf8()..];
    match first {
        '>' => Ok(Kind::AddPassword(hash(rest))),
        '<' => Ok(Kind::RemovePassword(hash(rest))),
        '#' if is_hash(rest) => Ok(Kind::AddPassword(rest.to_owned())),
        '!' if is_hash(rest) => Ok(Kind::RemovePassword(rest.to_owned())),
        '#' | '!' => Err(RuleError::BadHash),
        '(' => {
            let inner = rest.strip_suffix(')').ok_or(RuleError::Syntax)?;
            Selector::read(inner).map(Kind::AddSelector)
        }
        _ => selector::Rule::read(text).map(Kind::Root),
    }
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
            (
                "bob on +ping (+role ~a) (allcommands)",
                "bob on resetchannels -@all +ping (~a resetchannels -@all +role) \
                (resetchannels +@all)"
                    .to_owned(),
            ),
            ("bob (+role) clearselectors ( )", "bob off resetchannels -@all (resetchannels -@all)".to_owned()),
            ("bob on nopass (+role) reset", "bob off sanitize-payload resetchannels -@all".to_owned()),
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
            ("bob (on)", "rule `(on)`: Syntax error"),
            ("bob on (+ping ~a", "rule `(+ping`: a bracket is not closed"),
            ("bob (+ping (+role))", "rule `(+ping (+role))`: Syntax error"),
            ("bob (+ping >x)", "rule `(******)`: Syntax error"),
            ("bob )", "rule `)`: Syntax error"),
            ("bob <x", "rule `<******`: The password you are trying to remove from the user does not exist"),
        ];
        for (rules, expected) in table {
            assert_eq!(user_of(rules).unwrap_err(), expected);
        }
        assert!(user_of("bob #secret").unwrap_err().starts_with("rule `#******`: The password hash"));
        let found = parse_users(b"user a on\n# c\nport 1\nuser\nuser a\n").unwrap_err().to_string();
        let lines = [
            "line 3: `port`: an ACL file holds `user` lines only",
            "line 4: `user`: a user's name expected",
            "line 5: `user`: user `a` stands here a second time",
        ];
        assert_eq!(found, lines.join("\n"));
    }
}
