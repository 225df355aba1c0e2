//! The command line of a benchmark, word by word, and how its program ends.

use std::fmt::Display;
use std::process::ExitCode;
use std::str::FromStr;

/// The words, in turn.
#[derive(Debug)]
pub struct Words<I> {
    words: I,
    usage: &'static str,
    option: String,
}

impl<I: Iterator<Item = String>> Words<std::iter::Peekable<I>> {
    /// The words after the program's name. Cargo's alias ends in `--`; whoever writes one more means the same.
    pub fn new(words: I, usage: &'static str) -> Self {
        let mut words = words.peekable();
        words.next_if(|word| word == "--");
        Words { words, usage, option: String::new() }
    }
}

impl<I: Iterator<Item = String>> Words<I> {
    /// The next option; none when all were taken.
    ///
    /// # Errors
    /// The usage, when it was asked for.
    pub fn option(&mut self) -> Result<Option<String>, String> {
        let Some(option) = self.words.next() else { return Ok(None) };
        self.option.clone_from(&option);
        if matches!(option.as_str(), "--help" | "-h") { Err(self.usage.to_owned()) } else { Ok(Some(option)) }
    }

    /// The value of the option that was taken last.
    ///
    /// # Errors
    /// When there is none.
    pub fn value(&mut self) -> Result<String, String> {
        self.words.next().ok_or_else(|| format!("{} needs a value\n\n{}", self.option, self.usage))
    }

    /// The same as a number.
    ///
    /// # Errors
    /// When there is none, or it is no such number.
    pub fn number<T: FromStr<Err: Display>>(&mut self) -> Result<T, String> {
        let value = self.value()?;
        value.parse().map_err(|e| format!("{}: {e}", self.option))
    }

    /// What is said of an option that nobody knows.
    pub fn unknown(&self) -> String {
        format!("unknown option {}\n\n{}", self.option, self.usage)
    }
}

/// Which rows are wanted: those whose label holds one of these parts; all, if none was named.
#[derive(Clone, Debug, Default)]
pub struct Only(Vec<String>);

impl Only {
    /// Those with this part too.
    pub fn add(&mut self, part: String) {
        self.0.push(part);
    }

    /// Whether a row of this label is wanted.
    pub fn wants(&self, label: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|part| label.contains(part.as_str()))
    }
}

/// Runs a benchmark with what its command line says. Ends with 2 if that cannot be understood, with 1 if the run fails.
pub fn run<A>(args: Result<A, String>, bench: impl FnOnce(&A) -> Result<(), String>) -> ExitCode {
    let (code, said) = match args {
        Err(e) => (ExitCode::from(2), e),
        Ok(args) => match bench(&args) {
            Err(e) => (ExitCode::FAILURE, e),
            Ok(()) => return ExitCode::SUCCESS,
        },
    };
    eprintln!("{said}");
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Words<impl Iterator<Item = String>> {
        Words::new(line.split(' ').map(str::to_owned).collect::<Vec<_>>().into_iter(), "usage")
    }

    #[test]
    fn options_and_their_values_come_in_turn() {
        let mut words = words("-- --rounds 7 --only a --json --seconds x --part");
        assert_eq!((words.option(), words.number()), (Ok(Some("--rounds".into())), Ok(7)));
        assert_eq!((words.option(), words.value()), (Ok(Some("--only".into())), Ok("a".into())));
        assert_eq!(words.option(), Ok(Some("--json".into())));
        assert_eq!(words.unknown(), "unknown option --json\n\nusage");
        words.option().unwrap();
        assert!(words.number::<f64>().unwrap_err().starts_with("--seconds: "));
        words.option().unwrap();
        assert_eq!(words.value(), Err("--part needs a value\n\nusage".into()));
        assert_eq!(words.option(), Ok(None));
    }

    #[test]
    fn help_is_the_usage_and_no_part_wants_all() {
        assert_eq!(words("-h").option(), Err("usage".into()));
        let mut only = Only::default();
        assert!(only.wants("anything"));
        only.add("kill".into());
        assert!(only.wants("mainstay-kill-200") && !only.wants("mainstay-stop-200"));
    }
}
