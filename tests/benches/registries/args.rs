//! The command line of `cargo bench-registries`.

use testbed::words::Words;

use crate::services::{COUNT, MOST};

const USAGE: &str = "\
cargo bench-registries [--registry zookeeper|nacos]… [--instances N]… [--changes N] [--json]

  --registry NAME  only this one (both)
  --instances N    so many instances over 100 services (1000 and 10000)
  --changes N      so many changes, 50 a second (1500: the set on disk is written too)
  --json           one line of JSON at the end";

/// Whose server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Zookeeper,
    Nacos,
}

#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) kinds: Vec<Kind>,
    pub(crate) instances: Vec<usize>,
    pub(crate) changes: usize,
    pub(crate) json: bool,
}

/// # Errors
/// The usage, when it was asked for or nothing else is understood.
pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Args, String> {
    let mut parsed = Args { kinds: Vec::new(), instances: Vec::new(), changes: 1500, json: false };
    let mut words = Words::new(args, USAGE);
    while let Some(option) = words.option()? {
        match option.as_str() {
            "--registry" => parsed.kinds.push(match words.value()?.as_str() {
                "zookeeper" => Kind::Zookeeper,
                "nacos" => Kind::Nacos,
                other => return Err(format!("no registry `{other}` here\n\n{USAGE}")),
            }),
            "--instances" => parsed.instances.push(words.number()?),
            "--changes" => parsed.changes = words.number()?,
            "--json" => parsed.json = true,
            _ => return Err(words.unknown()),
        }
    }
    if parsed.kinds.is_empty() {
        parsed.kinds = vec![Kind::Zookeeper, Kind::Nacos];
    }
    if parsed.instances.is_empty() {
        parsed.instances = vec![1000, 10_000];
    }
    let whole = |count: &usize| *count > 0 && count.is_multiple_of(COUNT) && *count <= MOST;
    if !parsed.instances.iter().all(whole) || !(COUNT..=100_000).contains(&parsed.changes) {
        return Err(format!("--instances is a multiple of {COUNT} up to {MOST}, --changes {COUNT} or more\n\n{USAGE}"));
    }
    Ok(parsed)
}
