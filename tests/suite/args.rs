//! The command line of `cargo suite`.

use std::path::PathBuf;

use crate::groups::{Group, When};

pub(crate) const USAGE: &str = "\
cargo suite [--quick | --long] [--seeds N] [--report DIR] [--rows FILE] [--yes] [NAME…]

  NAME…    only these groups (`--list` names them)
  --quick  only what needs no real server or foreign peer
  --long   more seeds, longer runs, the benchmark too, and groups that else run only by name
  --seeds  run simulations with so many seeds a scenario, instead of 10000, or 50 with a network
  --report write what the scenarios of the group `chaos` showed to this folder
  --rows   write the table of groups to this file, as JSON, instead of printing it
  --yes    install missing Debian packages without asking
  --list   the groups and what they need, nothing run";

/// The group that leaves a report.
const CHAOS: &str = "chaos";

#[derive(Debug, Default)]
pub(crate) struct Args {
    pub(crate) quick: bool,
    pub(crate) long: bool,
    pub(crate) yes: bool,
    pub(crate) list: bool,
    pub(crate) help: bool,
    pub(crate) seeds: Option<u64>,
    pub(crate) report: Option<PathBuf>,
    pub(crate) rows: Option<PathBuf>,
    names: Vec<String>,
}

pub(crate) fn parse(args: impl Iterator<Item = String>, groups: &[Group]) -> Result<Args, String> {
    let mut parsed = Args::default();
    let mut args = args.enumerate();
    while let Some((i, arg)) = args.next() {
        match arg.as_str() {
            // The alias ends in `--`; whoever writes one more means the same.
            "--" if i == 0 => {}
            "--quick" => parsed.quick = true,
            "--long" => parsed.long = true,
            "--seeds" => {
                let number = args.next().and_then(|(_, text)| text.replace('_', "").parse().ok()).filter(|n| *n > 0);
                parsed.seeds = Some(number.ok_or_else(|| format!("--seeds wants a number above 0\n\n{USAGE}"))?);
            }
            "--report" => match args.next() {
                Some((_, dir)) if !dir.starts_with('-') => parsed.report = Some(dir.into()),
                _ => return Err(format!("--report wants a folder\n\n{USAGE}")),
            },
            "--rows" => match args.next() {
                Some((_, file)) if !file.starts_with('-') => parsed.rows = Some(file.into()),
                _ => return Err(format!("--rows wants a file\n\n{USAGE}")),
            },
            "--yes" | "-y" => parsed.yes = true,
            "--list" => parsed.list = true,
            "--help" | "-h" => parsed.help = true,
            name if groups.iter().any(|g| g.name == name) => parsed.names.push(arg),
            other => {
                let names: Vec<_> = groups.iter().map(|g| g.name).collect();
                return Err(format!("no group or option `{other}`; the groups are {}\n\n{USAGE}", names.join(", ")));
            }
        }
    }
    if parsed.quick && parsed.long {
        return Err(format!("--quick and --long exclude each other\n\n{USAGE}"));
    }
    if parsed.report.is_some() && !parsed.chosen(groups).iter().any(|group| group.name == CHAOS) {
        return Err(format!("--report is of the group `{CHAOS}`, which is not among what runs\n\n{USAGE}"));
    }
    Ok(parsed)
}

impl Args {
    /// What makes another suite run these groups as this one would.
    pub(crate) fn of(&self, groups: &[&Group]) -> Vec<String> {
        let said = [(self.quick, "--quick"), (self.long, "--long"), (self.yes, "--yes")];
        let said = said.into_iter().filter(|(said, _)| *said).map(|(_, flag)| flag.to_owned());
        let seeds = self.seeds.iter().flat_map(|seeds| ["--seeds".to_owned(), seeds.to_string()]);
        said.chain(seeds).chain(groups.iter().map(|g| g.name.to_owned())).collect()
    }

    /// The groups to run: the named ones or all, without those that nothing is left of.
    pub(crate) fn chosen<'a>(&self, groups: &'a [Group]) -> Vec<&'a Group> {
        let named = |g: &&Group| self.names.is_empty() || self.names.iter().any(|n| n == g.name);
        groups.iter().filter(named).filter(|g| g.steps.iter().any(|s| self.runs(g.name, s.when))).collect()
    }

    /// Whether a step of this group runs.
    pub(crate) fn runs(&self, group: &str, when: When) -> bool {
        match when {
            When::Always => true,
            When::Real => !self.quick,
            When::Long => self.long,
            When::Asked => self.long || self.names.iter().any(|name| name == group),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::groups::GROUPS;

    fn parsed(line: &str) -> Result<Args, String> {
        parse(line.split_whitespace().map(str::to_owned), GROUPS)
    }

    #[test]
    fn one_leading_dash_pair_is_skipped() {
        assert!(parsed("-- --quick").unwrap().quick);
        assert!(parsed("--quick").unwrap().quick);
        assert!(parsed("--quick --").is_err());
    }

    #[test]
    fn names_choose_groups_and_no_name_chooses_all() {
        let all = GROUPS.iter().map(|g| g.name).filter(|name| *name != "mutations");
        assert!(parsed("").unwrap().chosen(GROUPS).iter().map(|g| g.name).eq(all));
        let two = parsed("registry house").unwrap();
        assert_eq!(two.chosen(GROUPS).iter().map(|g| g.name).collect::<Vec<_>>(), ["house", "registry"]);
        let error = parsed("regstry").unwrap_err();
        assert!(error.contains("`regstry`") && error.contains("registry, "), "{error}");
    }

    #[test]
    fn a_number_of_seeds() {
        assert_eq!(parsed("--seeds 20_000 sentinel").unwrap().seeds, Some(20_000));
        assert_eq!(parsed("").unwrap().seeds, None);
        for wrong in ["--seeds", "--seeds many", "--seeds 0"] {
            assert!(parsed(wrong).unwrap_err().contains("--seeds wants"), "{wrong}");
        }
    }

    #[test]
    fn a_report_is_of_the_scenarios() {
        assert_eq!(parsed("chaos --report out").unwrap().report, Some("out".into()));
        assert_eq!(parsed("--report out").unwrap().report, Some("out".into()));
        for (line, wrong) in [
            ("--report", "wants a folder"),
            ("--report --long", "wants a folder"),
            ("house --report out", "of the group `chaos`"),
            ("--quick --report out", "of the group `chaos`"),
        ] {
            assert!(parsed(line).unwrap_err().contains(wrong), "{line}");
        }
    }

    #[test]
    fn another_suite_is_asked_for_the_same() {
        let args = parsed("--long --seeds 7 --yes house shop").unwrap();
        let chosen = args.chosen(GROUPS);
        assert_eq!(args.of(&chosen[..1]), ["--long", "--yes", "--seeds", "7", "house"]);
        assert_eq!(parsed("house --rows out.json").unwrap().rows, Some("out.json".into()));
        assert!(parsed("--rows").unwrap_err().contains("wants a file"));
    }

    #[test]
    fn quick_leaves_out_what_is_real() {
        let quick = parsed("--quick").unwrap();
        let runs = |when| quick.runs("house", when);
        assert!(runs(When::Always) && !runs(When::Real) && !runs(When::Long) && !runs(When::Asked));
        assert!(!quick.chosen(GROUPS).iter().any(|g| g.name == "testbed"));
        assert!(parsed("--quick --long").is_err());
    }

    #[test]
    fn what_must_be_asked_for_runs_by_name_or_when_there_is_time() {
        for (line, runs) in
            [("", false), ("house", false), ("mutations", true), ("--quick mutations", true), ("--long", true)]
        {
            let args = parsed(line).unwrap();
            assert_eq!(args.runs("mutations", When::Asked), runs, "{line}");
        }
        assert_eq!(parsed("--long").unwrap().chosen(GROUPS).len(), GROUPS.len());
        assert_eq!(parsed("mutations").unwrap().chosen(GROUPS).len(), 1);
    }
}
