//! The command line.

use std::time::Duration;

use clap::{Parser, Subcommand};
use mainstay_registry::ServiceKey;

/// What a registry lists, why a consumer sees what it sees, and whether all is well.
///
/// Ends with 0 for yes, 1 for no, 2 when it could not be asked.
#[derive(Debug, Parser)]
#[command(name = "mainstay", version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// One JSON document for programs, instead of text for people.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Says on standard error what happens meanwhile.
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists services and who offers them. Ends with 0, also when nobody does.
    Ls(Ls),
    /// Says what a consumer of a service would see, and why each instance is or is not taken. Ends with 1 when nobody could
    /// be called.
    Why(Why),
    /// Checks a registry and the way to it. Ends with 1 when something does not work.
    Doctor(Doctor),
}

/// Which registry.
#[derive(Debug, clap::Args)]
pub(crate) struct Where {
    /// The registry's URL, several with `|` between. Default: the variable MAINSTAY_REGISTRY, else file://.
    #[arg(long, short, value_name = "URL")]
    pub(crate) registry: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Ls {
    /// Only services whose interface has this text in its name.
    #[arg(value_name = "TEXT")]
    pub(crate) only: Option<String>,
    #[command(flatten)]
    pub(crate) place: Where,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Why {
    /// The service as a consumer asks for it: [GROUP/]INTERFACE[:VERSION], where `*` takes any group or version.
    #[arg(value_name = "SERVICE")]
    pub(crate) service: ServiceKey,
    /// Only instances of this application, as the consumer asks.
    #[arg(long, short, value_name = "NAME")]
    pub(crate) application: Option<String>,
    /// The zone that the consumer is in.
    #[arg(long, value_name = "NAME")]
    pub(crate) zone: Option<String>,
    /// The application that calls, for rules of operators.
    #[arg(long, value_name = "NAME")]
    pub(crate) consumer: Option<String>,
    /// The tag that calls ask for, for rules of operators.
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Option<String>,
    /// Connects to each instance that is taken, and says how that went.
    #[arg(long)]
    pub(crate) connect: bool,
    /// How long to listen to the registry, at most, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub(crate) wait: Duration,
    #[command(flatten)]
    pub(crate) place: Where,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    /// The registry's URL, several with `|` between. Default: the variable MAINSTAY_REGISTRY, else file://.
    #[arg(value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Registers an instance of the service mainstay.Doctor, looks whether it can be seen, and takes it back: the proof that
    /// one may write.
    #[arg(long)]
    pub(crate) write: bool,
}

/// What is meant when no URL is given.
pub(crate) fn default_url() -> String {
    std::env::var("MAINSTAY_REGISTRY").unwrap_or_else(|_| "file://".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (1..=600).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| "it should be a whole number from 1 to 600".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
        let args = Args::parse_from(["mainstay", "why", "g/a.B:1", "--wait", "7", "--json", "-r", "memory://"]);
        let Command::Why(why) = args.command else { panic!("another command") };
        assert_eq!((why.service.to_string().as_str(), why.wait.as_secs(), args.json), ("g/a.B:1", 7, true));
        assert_eq!(why.place.registry.as_deref(), Some("memory://"));
        for wrong in [&["mainstay"][..], &["mainstay", "why"], &["mainstay", "why", "a.B:"], &["mainstay", "lss"]] {
            assert!(Args::try_parse_from(wrong).is_err(), "{wrong:?}");
        }
    }
}
