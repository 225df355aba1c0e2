//! `cargo suite mutations`: breaks the product on purpose, one promise at a time, and sees that the tests notice which should.
//!
//! All of it happens in a copy of the tree with a target folder of its own, which all mutations share: dependencies are built
//! once, and a file is written only where it differs. First the copy as it is must pass the same tests, so that a failure means
//! the mutation. A test that must notice has to run, to fail, and to say why; what does not compile or does not end proves nothing.

mod copy;
mod judge;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use testbed::mutation::{self, Mutation, last};
use testbed::tree;

use crate::build::{self, Executable};
use crate::execute::{Ended, execute};
use crate::run::as_under_cargo;

/// How long the tests of one mutation may take. They are such as take seconds.
const PATIENCE: Duration = Duration::from_secs(180);

/// What there is to tell of one mutation, or of the copy as it is: what was tried, for how long, and how it came out.
pub(crate) type Tell<'a> = &'a mut dyn FnMut(&str, Duration, Result<(), String>);

/// Tries all mutations.
pub(crate) fn all(tell: Tell) {
    let mut timed = |what: &str, check: &mut dyn FnMut() -> Result<(), String>| {
        let start = Instant::now();
        let done = check();
        let good = done.is_ok();
        tell(what, start.elapsed(), done);
        good
    };
    let bench = Bench::new();
    let mut all = Vec::new();
    let unbroken = timed("nothing is broken: all of these pass", &mut || {
        all = mutation::all(&tree::root())?;
        bench.unbroken(&all)
    });
    // Of tests that fail anyhow it would say nothing that they fail.
    for mutation in all.iter().filter(|_| unbroken) {
        let tests: Vec<_> = mutation.tests.iter().map(|test| last(test)).collect();
        timed(&format!("{:<28} {}", mutation.name, tests.join(", ")), &mut || bench.noticed(mutation));
    }
}

/// Where it is tried.
struct Bench {
    copy: PathBuf,
    target: PathBuf,
    logs: PathBuf,
}

impl Bench {
    fn new() -> Bench {
        let home = tree::target().join("mutations");
        Bench { copy: home.join("tree"), target: home.join("target"), logs: home.join("logs") }
    }

    /// Without any mutation the tests pass.
    fn unbroken(&self, all: &[Mutation]) -> Result<(), String> {
        copy::update(&tree::root(), &self.copy, &[])?;
        let built = self.build(all)?;
        let mut tried = BTreeSet::new();
        for m in all {
            if tried.insert((&m.package, &m.target, &m.tests, m.seeds)) {
                judge::passed(&self.run(m, &built)?, &m.tests)?;
            }
        }
        Ok(())
    }

    /// With the mutation the tests fail that must.
    fn noticed(&self, mutation: &Mutation) -> Result<(), String> {
        let ours = |path: &str| fs::read_to_string(tree::root().join(path)).ok();
        copy::update(&tree::root(), &self.copy, &mutation.applied(ours)?)?;
        let built = self.build(std::slice::from_ref(mutation));
        let built = built.map_err(|e| format!("with this mutation nothing is tested: {e}"))?;
        judge::noticed(&self.run(mutation, &built)?, &mutation.tests, &mutation.says)
    }

    /// The test targets of these mutations. All packages are named, since choosing some would change the features of shared
    /// dependencies, and build those again for each choice.
    fn build(&self, mutations: &[Mutation]) -> Result<Vec<Executable>, String> {
        let mut cargo = build::cargo();
        cargo.current_dir(&self.copy).env("CARGO_TARGET_DIR", &self.target);
        let targets: BTreeSet<&str> = mutations.iter().map(|m| m.target.as_str()).collect();
        build::built(cargo, targets.into_iter().flat_map(|target| ["--test", target]))
    }

    fn run(&self, mutation: &Mutation, built: &[Executable]) -> Result<Ended, String> {
        let of = |e: &&Executable| e.package == mutation.package && e.target == mutation.target;
        let executable = built.iter().find(of);
        let executable = executable.ok_or_else(|| format!("{} has no test {}", mutation.package, mutation.target))?;
        let mut command = as_under_cargo(executable);
        command.arg("--exact").args(&mutation.tests);
        if let Some(seeds) = mutation.seeds {
            command.env(testbed::seed::SEEDS, seeds.to_string());
        }
        Ok(execute(command, &self.logs.join(format!("{}.log", mutation.name)), PATIENCE, None))
    }
}
