//! The command line. Pure.

use std::{path::PathBuf, time::Duration};

pub(super) const USAGE: &str = "\
mainstay-gateway FILE [--drain-grace SECONDS] [--log FILTER]   runs what the file says, and follows it
mainstay-gateway check FILE                                    says all that is wrong with it
mainstay-gateway schema                                        the file as JSON Schema, for editors
mainstay-gateway --help | --version

It ends on SIGTERM or SIGINT: what is under way has 20 s to end (--drain-grace). Exit codes: 0; 75 when the drain cut
something; 1 when the file is refused or nothing can be listened on; 2 when a command is not understood or the file not
there. SIGHUP reads the file at once. --log is a level or a filter, as info or mainstay_gateway=debug.
";

/// What is asked of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Help,
    Version,
    Schema,
    Check { file: PathBuf },
    Run(Order),
}

/// How to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) file: PathBuf,
    pub(super) grace: Duration,
    pub(super) log: String,
}

impl Command {
    /// Understands the words.
    ///
    /// # Errors
    /// What is not understood.
    pub(super) fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut words = words.peekable();
        let Some(first) = words.next() else { return Err("no file is named".to_owned()) };
        let command = match first.as_str() {
            "--help" | "-h" | "help" => Self::Help,
            "--version" | "-V" => Self::Version,
            "schema" => Self::Schema,
            "check" => Self::Check { file: words.next().ok_or("check: no file is named")?.into() },
            option if option.starts_with('-') => return Err(format!("`{option}` is not known")),
            file => return run(file, words).map(Self::Run),
        };
        match words.next() {
            None => Ok(command),
            Some(more) => Err(format!("`{more}` is one word too many")),
        }
    }
}

fn run(file: &str, mut words: impl Iterator<Item = String>) -> Result<Order, String> {
    let mut order = Order { file: file.into(), grace: Duration::from_secs(20), log: "info".to_owned() };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
        match word.as_str() {
            "--drain-grace" => {
                let seconds = value()?;
                let seconds = seconds.strip_suffix('s').unwrap_or(&seconds).parse();
                let seconds = seconds.map_err(|_| "--drain-grace wants a number of seconds".to_owned())?;
                order.grace = Duration::from_secs(seconds);
            }
            "--log" => order.log = value()?,
            other => return Err(format!("`{other}` is not known")),
        }
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        let parse = |text: &str| Command::parse(text.split_whitespace().map(str::to_owned));
        assert_eq!(parse("check a.yaml"), Ok(Command::Check { file: "a.yaml".into() }));
        assert_eq!(parse("schema"), Ok(Command::Schema));
        let Ok(Command::Run(order)) = parse("a.yaml --drain-grace 3s --log debug") else { panic!("it runs") };
        assert_eq!((order.grace, order.log.as_str()), (Duration::from_secs(3), "debug"));
        for text in ["", "check", "check a b", "--what", "a.yaml --drain-grace", "a.yaml --drain-grace x", "a.yaml b"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
