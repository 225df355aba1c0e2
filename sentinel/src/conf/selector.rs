//! What a user may do: commands, channels and keys. A user has one such list of its own and may have more of them in
//! brackets; a call is allowed when one of them allows all of it.
//!
//! A sentinel has no keys, so patterns of keys are only shown, in Redis' shortest form.

use std::fmt;

/// What is allowed together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Selector {
    /// What may be called; the last rule that fits decides, and without one nothing is allowed.
    pub commands: Vec<CommandRule>,
    /// The patterns of channels that may be subscribed to and published into; `*` for all.
    pub channels: Vec<String>,
    /// The patterns of keys.
    keys: Vec<KeyPattern>,
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
    /// One subcommand; of a command that has none, a first word.
    Subcommand(String, String),
}

/// Keys that may be read, written, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
struct KeyPattern {
    read: bool,
    write: bool,
    pattern: String,
}

/// A rule of a selector, ready to be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule {
    Command(CommandRule),
    Channel(String),
    ResetChannels,
    Key { read: bool, write: bool, pattern: String },
    AllKeys,
    ResetKeys,
}

/// Why a rule is none. The texts are those of Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// No rule looks like this.
    #[error("Syntax error")]
    Syntax,
    /// There is no such command or category.
    #[error("Unknown command or category name in ACL")]
    Unknown,
    /// The hash of a password is none.
    #[error("The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters")]
    BadHash,
    /// A password that is not there cannot be taken away.
    #[error("The password you are trying to remove from the user does not exist")]
    NoSuchPassword,
    /// All keys are allowed already.
    #[error(
        "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try \
         'resetkeys' to start with an empty list of patterns"
    )]
    KeysAfterAll,
    /// All channels are allowed already.
    #[error(
        "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try \
         'resetchannels' to start with an empty list of channels"
    )]
    ChannelsAfterAll,
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

impl Selector {
    /// Allows everything.
    pub(super) fn all() -> Self {
        let all = CommandRule { allow: true, scope: Scope::All };
        Self { commands: vec![all], channels: vec!["*".to_owned()], keys: vec![KeyPattern::all()] }
    }

    /// The selector of a text in brackets.
    ///
    /// # Errors
    /// The first rule in it that is none.
    pub(super) fn read(text: &str) -> Result<Self, RuleError> {
        let mut selector = Self::default();
        text.split(' ').filter(|word| !word.is_empty()).try_for_each(|word| selector.apply(Rule::read(word)?))?;
        Ok(selector)
    }

    /// Changes it by a rule.
    ///
    /// # Errors
    /// When the rule has no place behind those that are there; then nothing is changed.
    pub(super) fn apply(&mut self, rule: Rule) -> Result<(), RuleError> {
        match rule {
            Rule::Command(rule) => self.command(rule),
            Rule::Channel(pattern) if pattern == "*" => self.channels = vec![pattern],
            Rule::Channel(_) if self.channels.iter().any(|known| known == "*") => {
                return Err(RuleError::ChannelsAfterAll);
            }
            Rule::Channel(pattern) if self.channels.contains(&pattern) => {}
            Rule::Channel(pattern) => self.channels.push(pattern),
            Rule::ResetChannels => self.channels.clear(),
            Rule::AllKeys => self.keys = vec![KeyPattern::all()],
            Rule::Key { .. } if self.keys.contains(&KeyPattern::all()) => return Err(RuleError::KeysAfterAll),
            Rule::Key { read, write, pattern } => match self.keys.iter_mut().find(|known| known.pattern == pattern) {
                Some(known) => (known.read, known.write) = (known.read || read, known.write || write),
                None => self.keys.push(KeyPattern { read, write, pattern }),
            },
            Rule::ResetKeys => self.keys.clear(),
        }
        Ok(())
    }

    fn command(&mut self, rule: CommandRule) {
        match &rule.scope {
            Scope::All => self.commands.clear(),
            Scope::Command(name) => self.commands.retain(|known| match &known.scope {
                Scope::Command(other) | Scope::Subcommand(other, _) => other != name,
                Scope::All | Scope::Category(_) => true,
            }),
            scope => self.commands.retain(|known| known.scope != *scope),
        }
        // Nothing is allowed anyway where no rule says so.
        if rule.allow || !self.commands.is_empty() {
            self.commands.push(rule);
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

    /// The patterns of keys as Redis shows them.
    pub fn shown_keys(&self) -> String {
        self.keys.iter().map(KeyPattern::to_string).collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Display for Selector {
    /// The rules as in a configuration file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.keys.iter().try_for_each(|pattern| write!(f, "{pattern} "))?;
        if self.channels != ["*"] {
            f.write_str("resetchannels ")?;
        }
        self.channels.iter().try_for_each(|pattern| write!(f, "&{pattern} "))?;
        f.write_str(&self.shown_commands())
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

impl KeyPattern {
    fn all() -> Self {
        Self { read: true, write: true, pattern: "*".to_owned() }
    }
}

impl fmt::Display for KeyPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match (self.read, self.write) {
            (true, false) => "%R",
            (false, true) => "%W",
            _ => "",
        };
        write!(f, "{kind}~{}", self.pattern)
    }
}

impl Rule {
    /// Reads a rule that can stand in brackets.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn read(text: &str) -> Result<Self, RuleError> {
        let lower = text.to_ascii_lowercase();
        let all = |allow| Rule::Command(CommandRule { allow, scope: Scope::All });
        Ok(match lower.as_str() {
            "allcommands" => all(true),
            "nocommands" => all(false),
            "allchannels" => Rule::Channel("*".to_owned()),
            "resetchannels" => Rule::ResetChannels,
            "allkeys" | "~*" => Rule::AllKeys,
            "resetkeys" => Rule::ResetKeys,
            _ => return by_first_letter(text, &lower),
        })
    }
}

fn by_first_letter(text: &str, lower: &str) -> Result<Rule, RuleError> {
    let Some(first) = text.chars().next() else { return Err(RuleError::Syntax) };
    let rest = &text[first.len_utf8()..];
    match first {
        '&' if is_pattern(rest) => Ok(Rule::Channel(rest.to_owned())),
        '~' if is_pattern(rest) => Ok(Rule::Key { read: true, write: true, pattern: rest.to_owned() }),
        '%' => key(rest),
        '+' | '-' => scope(&lower[1..]).map(|scope| Rule::Command(CommandRule { allow: first == '+', scope })),
        _ => Err(RuleError::Syntax),
    }
}

/// `R~…`, `W~…` or both letters, each once.
fn key(text: &str) -> Result<Rule, RuleError> {
    let (kinds, pattern) = text.split_once('~').ok_or(RuleError::Syntax)?;
    let (read, write) = match kinds.to_ascii_lowercase().as_str() {
        "r" => (true, false),
        "w" => (false, true),
        "rw" | "wr" => (true, true),
        _ => return Err(RuleError::Syntax),
    };
    if !is_pattern(pattern) {
        return Err(RuleError::Syntax);
    }
    Ok(Rule::Key { read, write, pattern: pattern.to_owned() })
}

fn is_pattern(text: &str) -> bool {
    !text.contains([' ', '\0'])
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
        _ => Err(RuleError::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_shown_as_redis_shows_them() {
        let table = [
            ("", "resetchannels -@all"),
            ("+ping ~a", "~a resetchannels -@all +ping"),
            ("+sentinel|myid &x* %R~k*", "%R~k* resetchannels &x* -@all +sentinel|myid"),
            ("allchannels allkeys allcommands", "~* &* +@all"),
            ("%R~a %W~a %w~b %rw~c ~a", "~a %W~b ~c resetchannels -@all"),
            ("~a ~*", "~* resetchannels -@all"),
            ("&a &a &b", "resetchannels &a &b -@all"),
            ("&a allchannels resetchannels &b", "resetchannels &b -@all"),
            ("+sentinel|myid -sentinel|reset +client -sentinel", "resetchannels -@all +client -sentinel"),
            ("+ping +@all -@admin -@admin", "resetchannels +@all -@admin"),
        ];
        for (rules, shown) in table {
            assert_eq!(Selector::read(rules).unwrap().to_string(), shown, "{rules}");
        }
    }

    #[test]
    fn what_is_no_rule_of_a_selector() {
        let table = [
            ("on", RuleError::Syntax),
            (">x", RuleError::Syntax),
            ("clearselectors", RuleError::Syntax),
            ("(+ping)", RuleError::Syntax),
            ("%~a", RuleError::Syntax),
            ("%", RuleError::Syntax),
            ("%rr~a", RuleError::Syntax),
            ("+", RuleError::Unknown),
            ("+@nonsense", RuleError::Unknown),
            ("+a|b|c", RuleError::Unknown),
            ("~* ~a", RuleError::KeysAfterAll),
            ("&* &a", RuleError::ChannelsAfterAll),
        ];
        for (rules, error) in table {
            assert_eq!(Selector::read(rules), Err(error), "{rules}");
        }
    }
}
