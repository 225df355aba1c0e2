//! What is wrong with a rule, and in which line.

/// Why a rule cannot be used. What was in force before it stays so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
#[non_exhaustive]
pub struct RuleError {
    /// The line of the text, from 1.
    pub line: usize,
    /// What is wrong there, for people.
    pub why: String,
}

impl RuleError {
    pub(crate) fn at(line: usize, why: impl Into<String>) -> Self {
        Self { line, why: why.into() }
    }
}
