//! The rules of the house, as tests: what the eye of a reviewer would have to look for in each change.
//!
//! Each rule is a function over a [`tree::Tree`] that returns complaints. It is held against the real tree, which must
//! give none, and against a small sample that breaks it, which must give some: a rule that cannot fail guards nothing.

#[path = "house/claims.rs"]
mod claims;
#[path = "house/files.rs"]
mod files;
#[path = "house/imports.rs"]
mod imports;
#[path = "house/matrix.rs"]
mod matrix;
#[path = "house/mutations.rs"]
mod mutations;
#[path = "house/pure.rs"]
mod pure;
#[path = "house/reasons.rs"]
mod reasons;
#[path = "house/tests_only.rs"]
mod tests_only;
#[path = "house/tree.rs"]
mod tree;
#[path = "house/verdicts.rs"]
mod verdicts;
