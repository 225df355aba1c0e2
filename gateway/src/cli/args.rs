//! The command line. Pure.

use mainstay_registry::ConfigKey;
use std::{path::PathBuf, time::Duration};

pub(super) const USAGE: &str = "\
mainstay-gateway FILE [--drain-grace SECONDS] [--log FILTER]   runs what the file says, and follows it
                 [--center URL --name NAME [--group GROUP]]    the file is kept in a config centre
mainstay-gateway check FILE                                    says all that is wrong with it
mainstay-gateway schema                                        the file as JSON Schema, for editors
mainstay-gateway --help | --version

It ends on SIGTERM or SIGINT: what is under way has 20 s to end (--drain-grace). Exit codes: 0; 75 when the drain cut
something; 1 when the file is refused or nothing can be listened on; 2 when a command is not understood or the file not
there. SIGHUP reads the file at once. --log is a level or a filter, as info or mainstay_gateway=debug.

With --center (nacos://host:8848, zookeeper://host:2181, file:///path) the text is followed there, under NAME in GROUP
(DEFAULT_GROUP); the last that was good is written to FILE, from which the gateway starts when the centre is away.
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
    /// Where the file is kept, if not on disk.
    pub(super) center: Option<Kept>,
}

/// A place in a config centre.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) url: String,
    pub(super) key: ConfigKey,
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
    let (grace, log) = (Duration::from_secs(20), "info".to_owned());
    let mut order = Order { file: file.into(), grace, log, center: None };
    let (mut url, mut name, mut group) = (None, None, "DEFAULT_GROUP".to_owned());
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
            "--center" => url = Some(value()?),
            "--name" => name = Some(value()?),
            "--group" => group = value()?,
            other => return Err(format!("`{other}` is not known")),
        }
    }
    order.center = match (url, name) {
        (Some(url), Some(name)) => {
            mainstay_registry::check(&url).map_err(|error| error.to_string())?;
            let key = ConfigKey::in_group(group, name).map_err(|error| error.to_string())?;
            Some(Kept { url, key })
        }
        (None, None) => None,
        _ => return Err("--center and --name come together".to_owned()),
    };
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
        assert_eq!(order.center, None);
        let Ok(Command::Run(order)) = parse("a.yaml --center nacos://h:8848 --name gw") else { panic!("it runs") };
        let kept = order.center.unwrap();
        assert_eq!((kept.url.as_str(), kept.key.group(), kept.key.name()), ("nacos://h:8848", "DEFAULT_GROUP", "gw"));
        for text in ["a.yaml --name x", "a.yaml --center nacos://h:8848", "a.yaml --center what://x --name x"] {
            assert!(parse(text).is_err(), "{text}");
        }
        for text in ["", "check", "check a b", "--what", "a.yaml --drain-grace", "a.yaml --drain-grace x", "a.yaml b"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
