//! The command line of `cargo bench-rpc`.

use testbed::words::{Only, Words};

const USAGE: &str = "\
cargo bench-rpc [--rounds N] [--seconds S] [--only PART]… [--json]

  --rounds N   alternating rounds (5)
  --seconds S  measured per row, candidate and round (2)
  --only PART  only rows whose label holds PART, such as `unary-128-64` or `stream`
  --json       one line of JSON at the end";

#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) rounds: u32,
    pub(crate) seconds: f64,
    pub(crate) json: bool,
    only: Only,
}

impl Args {
    pub(crate) fn wants(&self, label: &str) -> bool {
        self.only.wants(label)
    }
}

/// # Errors
/// The usage, when it was asked for or nothing else is understood.
pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Args, String> {
    let mut parsed = Args { rounds: 5, seconds: 2.0, json: false, only: Only::default() };
    let mut words = Words::new(args, USAGE);
    while let Some(option) = words.option()? {
        match option.as_str() {
            "--json" => parsed.json = true,
            "--only" => parsed.only.add(words.value()?),
            "--rounds" => parsed.rounds = words.number()?,
            "--seconds" => parsed.seconds = words.number()?,
            _ => return Err(words.unknown()),
        }
    }
    if parsed.rounds == 0 || !(0.05..=600.0).contains(&parsed.seconds) {
        return Err(format!("--rounds is 1 or more, --seconds from 0.05 to 600\n\n{USAGE}"));
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Args, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_and_one_leading_dash_pair() {
        let args = parsed("-- --rounds 7 --seconds 0.5 --only stream --only open --json").unwrap();
        assert_eq!((args.rounds, args.seconds, args.json), (7, 0.5, true));
        assert!(args.wants("stream-128-1") && args.wants("open-128-64") && !args.wants("unary-128-64"));
        assert!(parsed("").unwrap().wants("anything"));
    }

    #[test]
    fn nonsense_is_refused() {
        for line in ["--round 7", "--rounds", "--rounds 0", "--rounds x", "--seconds 0"] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
