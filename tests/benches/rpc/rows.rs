//! The rows of the benchmark.

/// What a row does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Unary echo in a closed loop.
    Unary,
    /// Server streaming: counted in messages, `in_flight` streams at a time.
    Stream,
    /// Unary echo in an open loop at half of tonic's saturation.
    Open,
    /// Unary echo of which 1 % computes for 20 ms; the latency is that of the others.
    Compute,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) kind: Kind,
    pub(crate) bytes: usize,
    pub(crate) in_flight: usize,
    pub(crate) connections: usize,
}

const fn row(kind: Kind, bytes: usize, in_flight: usize) -> Row {
    Row { kind, bytes, in_flight, connections: if in_flight >= 256 { 4 } else { 1 } }
}

pub(crate) const ROWS: &[Row] = &[
    row(Kind::Unary, 128, 1),
    row(Kind::Unary, 128, 64),
    row(Kind::Unary, 128, 256),
    row(Kind::Unary, 4 * 1024, 1),
    row(Kind::Unary, 4 * 1024, 64),
    row(Kind::Unary, 4 * 1024, 256),
    row(Kind::Unary, 64 * 1024, 1),
    row(Kind::Unary, 64 * 1024, 64),
    row(Kind::Unary, 64 * 1024, 256),
    row(Kind::Stream, 128, 1),
    row(Kind::Stream, 128, 16),
    row(Kind::Open, 128, 64),
    row(Kind::Compute, 128, 64),
];

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Unary => "unary",
            Kind::Stream => "stream",
            Kind::Open => "open",
            Kind::Compute => "compute",
        }
    }
}

impl Row {
    /// `unary-128-64`: what `--only` looks in.
    pub(crate) fn label(&self) -> String {
        format!("{}-{}-{}", self.kind.name(), self.bytes, self.in_flight)
    }
}

pub(crate) fn labels() -> Vec<String> {
    ROWS.iter().map(Row::label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_unique() {
        let mut all = labels();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), ROWS.len());
    }
}
