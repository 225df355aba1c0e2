//! What happened in a run, where and when, for people; and a hash of it, for comparison.
//!
//! The hash is over more than the lines: over when each host read and wrote something. What it read is left out, since a
//! subscriber of `tracing` has random ids sent along.

use super::Fault;
use mainstay_registry::sim::Digest;
use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How much of a story that went wrong is shown.
const SHOWN: usize = 40;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Line {
    /// When, since the beginning of the run.
    pub at: Duration,
    /// On which host; empty for faults.
    pub host: Arc<str>,
    /// What.
    pub what: String,
}

/// What happened in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    seed: u64,
    hash: u64,
    lines: Vec<Line>,
    fired: Vec<Fault>,
}

impl Story {
    /// The seed that brings it back.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Equal for equal runs, whatever the build.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// What was noted, in order.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The faults that came about: one of a host that did not run, or that was to begin after the end, did not.
    pub fn fired(&self) -> &[Fault] {
        &self.fired
    }
}

/// A run that went wrong.
#[derive(Clone, Debug)]
pub struct Failed {
    pub(super) why: String,
    pub(super) story: Story,
}

impl Failed {
    /// What happened up to there.
    pub fn story(&self) -> &Story {
        &self.story
    }
}

impl std::error::Error for Failed {}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = &self.story.lines;
        write!(f, "seed {}: {}", self.story.seed, self.why)?;
        lines[lines.len().saturating_sub(SHOWN)..].iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>7} ms {:<12} {}", self.at.as_millis(), self.host, self.what)
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// Writes a story; clones write the same one.
#[derive(Clone, Debug, Default)]
pub(super) struct Recorder(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    digest: Digest,
    lines: Vec<Line>,
    fired: Vec<Fault>,
}

impl Recorder {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, at: Duration, host: &Arc<str>, what: String) {
        let (line, mut inner) = (Line { at, host: host.clone(), what }, self.lock());
        line.hash(&mut inner.digest);
        inner.lines.push(line);
    }

    pub(super) fn fault(&self, at: Duration, fault: &Fault, begins: bool) {
        self.note(at, &"".into(), format!("{fault} {}", if begins { "begins" } else { "ends" }));
        if begins {
            self.lock().fired.push(fault.clone());
        }
    }

    /// A host has read (`true`) or written something.
    pub(super) fn moved(&self, at: Duration, host: &Arc<str>, read: bool) {
        (at, host, read).hash(&mut self.lock().digest);
    }

    pub(super) fn story(&self, seed: u64) -> Story {
        let inner = self.lock();
        Story { seed, hash: inner.digest.finish(), lines: inner.lines.clone(), fired: inner.fired.clone() }
    }
}
