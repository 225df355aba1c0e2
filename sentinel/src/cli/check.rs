//! `check`: everything that is wrong with a file, and what could be better.

use std::fmt;
use std::process::ExitCode;

use serde::Serialize;

use super::args::Args;
use super::files::FileError;
use super::start::{self, StartError};
use super::{NO, show};
use crate::conf::{Advice, Config, Problem, advice};

/// Reads the file and says what there is to say.
pub(super) fn run(args: &Args) -> ExitCode {
    let file = args.conf.display().to_string();
    let report = match start::read(args).and_then(|config| start::usable(&config).map(|()| config)) {
        Ok(config) => good(file, &config),
        Err(error) if !args.json => {
            eprintln!("{error}");
            return ExitCode::from(NO);
        }
        Err(error) => bad(file, &error),
    };
    show(args.json, &report);
    if report.ok { ExitCode::SUCCESS } else { ExitCode::from(NO) }
}

/// The whole answer.
#[derive(Debug, Default, Serialize)]
struct Report {
    file: String,
    /// A sentinel would start with it.
    ok: bool,
    masters: usize,
    problems: Vec<Place>,
    warnings: Vec<Place>,
    advice: Vec<Hint>,
}

/// Something at a place of the file.
#[derive(Debug, Serialize)]
struct Place {
    /// The included file, if it is in one.
    file: Option<String>,
    /// Counted from 1; 0: the file as a whole.
    line: usize,
    key: String,
    what: String,
}

#[derive(Debug, Serialize)]
struct Hint {
    master: String,
    code: String,
    text: String,
}

fn good(file: String, config: &Config) -> Report {
    let hint = |a: Advice| Hint { master: a.master.to_string(), code: a.code.to_owned(), text: a.text };
    Report {
        file,
        ok: true,
        masters: config.masters.len(),
        warnings: config.warnings.iter().map(place).collect(),
        advice: advice(config).into_iter().map(hint).collect(),
        problems: Vec::new(),
    }
}

fn bad(file: String, error: &StartError) -> Report {
    let problems = match error {
        StartError::File(FileError::Conf { problems, .. }) => problems.0.iter().map(place).collect(),
        other => vec![Place { file: None, line: 0, key: String::new(), what: other.to_string() }],
    };
    Report { file, problems, ..Report::default() }
}

fn place(problem: &Problem) -> Place {
    let Problem { file, line, key, what } = problem.clone();
    Place { file, line, key, what }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Place { file, line, key, what } in &self.warnings {
            let file = file.as_ref().map(|file| format!("{file}, ")).unwrap_or_default();
            writeln!(f, "warning: {file}line {line}: `{key}`: {what}")?;
        }
        for Hint { master, code, text } in &self.advice {
            writeln!(f, "advice: {master}: {text} ({code})")?;
        }
        write!(f, "{}: {} masters, no mistakes", self.file, self.masters)
    }
}
