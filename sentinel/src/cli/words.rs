//! The words of a command: options anywhere, what is left in order. Pure.
//!
//! Whoever reads takes out what they know, and [`Words::end`] says what nobody knew: so each command is read where it is
//! defined, and no table of options stands apart from it.

use super::args::ArgsError;

/// Words that nobody has taken yet.
#[derive(Debug)]
pub(super) struct Words(Vec<String>);

impl Words {
    pub(super) fn new(words: Vec<String>) -> Words {
        Words(words)
    }

    /// Takes an option without a value; whether it was there.
    pub(super) fn flag(&mut self, name: &str) -> bool {
        let found = self.0.iter().position(|word| word == name);
        found.is_some_and(|at| self.0.remove(at) == name)
    }

    /// Takes an option with its value: `--name value` or `--name=value`.
    pub(super) fn value(&mut self, name: &'static str) -> Result<Option<String>, ArgsError> {
        let value_of = |word: &str| word.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')).map(str::to_owned);
        let Some(at) = self.0.iter().position(|word| word == name || value_of(word).is_some()) else { return Ok(None) };
        let word = self.0.remove(at);
        match value_of(&word) {
            Some(value) => Ok(Some(value)),
            None if at < self.0.len() => Ok(Some(self.0.remove(at))),
            None => Err(ArgsError::NoValue(name)),
        }
    }

    /// Takes an option whose value is a number.
    pub(super) fn number(&mut self, name: &'static str) -> Result<Option<u64>, ArgsError> {
        let Some(text) = self.value(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| ArgsError::Invalid { option: name, value: text, expected: "a number" })
    }

    /// Takes the next word that is no option.
    pub(super) fn next(&mut self) -> Option<String> {
        let at = self.0.iter().position(|word| !word.starts_with("--"))?;
        Some(self.0.remove(at))
    }

    /// The same, where one must be; `what` it is.
    pub(super) fn needed(&mut self, what: &'static str) -> Result<String, ArgsError> {
        self.next().ok_or(ArgsError::Missing(what))
    }

    /// Takes all the words that are left.
    pub(super) fn rest(&mut self) -> Vec<String> {
        std::mem::take(&mut self.0)
    }

    /// Nothing may be left.
    pub(super) fn end(self) -> Result<(), ArgsError> {
        match self.0.into_iter().next() {
            Some(word) if word.starts_with("--") => Err(ArgsError::UnknownOption(word)),
            Some(word) => Err(ArgsError::TooMuch(word)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Words {
        Words::new(line.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn options_stand_anywhere_and_the_rest_keeps_its_order() {
        let mut words = words("m --json --to a:1 n --wait=5");
        assert!(words.flag("--json") && !words.flag("--json"));
        assert_eq!(words.value("--to"), Ok(Some("a:1".into())));
        assert_eq!(words.number("--wait"), Ok(Some(5)));
        assert_eq!((words.next(), words.next(), words.next()), (Some("m".into()), Some("n".into()), None));
        assert_eq!(words.end(), Ok(()));
    }

    #[test]
    fn what_nobody_knows_is_named() {
        assert_eq!(words("--jsn").end(), Err(ArgsError::UnknownOption("--jsn".into())));
        assert_eq!(words("m").end(), Err(ArgsError::TooMuch("m".into())));
        assert_eq!(words("--to").value("--to"), Err(ArgsError::NoValue("--to")));
        assert_eq!(words("--json").needed("a name"), Err(ArgsError::Missing("a name")));
        let invalid = ArgsError::Invalid { option: "--wait", value: "x".into(), expected: "a number" };
        assert_eq!(words("--wait x").number("--wait"), Err(invalid));
    }
}
