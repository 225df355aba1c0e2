//! The rows of the benchmark: who, what happens to the master, and what keeps it from going on.

/// Who watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Mainstay,
    RedisSentinel,
}

/// What happens to the master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// kill -9.
    Kill,
    /// `SENTINEL FAILOVER`, of a master that is well.
    Switchover,
    /// SIGSTOP, and SIGCONT later.
    Stop,
    /// Its host is cut off by packets that are dropped, and comes back.
    Partition,
}

/// `sentinel fencing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fencing {
    None,
    Gate,
    Command,
    OnReturn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) who: Who,
    pub(crate) scenario: Scenario,
    pub(crate) down_after_ms: u32,
    pub(crate) fencing: Fencing,
}

const fn row(who: Who, scenario: Scenario, down_after_ms: u32, fencing: Fencing) -> Row {
    Row { who, scenario, down_after_ms, fencing }
}

use Who::{Mainstay, RedisSentinel};

/// A killed master acknowledges nothing and a switchover pauses it, so fences are for the other two.
pub(crate) const ROWS: &[Row] = &[
    row(RedisSentinel, Scenario::Kill, 1_000, Fencing::None),
    row(Mainstay, Scenario::Kill, 1_000, Fencing::None),
    row(RedisSentinel, Scenario::Kill, 200, Fencing::None),
    row(Mainstay, Scenario::Kill, 200, Fencing::None),
    row(RedisSentinel, Scenario::Switchover, 1_000, Fencing::None),
    row(Mainstay, Scenario::Switchover, 1_000, Fencing::None),
    row(RedisSentinel, Scenario::Stop, 1_000, Fencing::None),
    row(Mainstay, Scenario::Stop, 1_000, Fencing::None),
    row(Mainstay, Scenario::Stop, 1_000, Fencing::Gate),
    row(Mainstay, Scenario::Stop, 1_000, Fencing::Command),
    row(Mainstay, Scenario::Stop, 1_000, Fencing::OnReturn),
    row(RedisSentinel, Scenario::Partition, 1_000, Fencing::None),
    row(Mainstay, Scenario::Partition, 1_000, Fencing::None),
    row(Mainstay, Scenario::Partition, 1_000, Fencing::Gate),
    row(Mainstay, Scenario::Partition, 1_000, Fencing::Command),
    row(Mainstay, Scenario::Partition, 1_000, Fencing::OnReturn),
];

impl Who {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Who::Mainstay => "mainstay",
            Who::RedisSentinel => "redis-sentinel",
        }
    }
}

impl Scenario {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Scenario::Kill => "kill",
            Scenario::Switchover => "switchover",
            Scenario::Stop => "stop",
            Scenario::Partition => "partition",
        }
    }

    /// How often it is run unless told otherwise.
    pub(crate) fn runs(self) -> usize {
        match self {
            Scenario::Kill => 10,
            Scenario::Switchover => 20,
            Scenario::Stop | Scenario::Partition => 3,
        }
    }
}

impl Fencing {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Fencing::None => "none",
            Fencing::Gate => "gate",
            Fencing::Command => "command",
            Fencing::OnReturn => "on-return",
        }
    }
}

impl Row {
    /// `mainstay-kill-200-none`: what `--scenario` looks in.
    pub(crate) fn label(&self) -> String {
        format!("{}-{}-{}-{}", self.who.name(), self.scenario.name(), self.down_after_ms, self.fencing.name())
    }
}

pub(crate) fn labels() -> Vec<String> {
    ROWS.iter().map(Row::label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_unique_and_redis_sentinel_has_no_fences() {
        let mut all = labels();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), ROWS.len());
        assert!(ROWS.iter().all(|r| r.who == Who::Mainstay || r.fencing == Fencing::None));
    }
}
