//! What the last run saw, a file a row, from which the suite makes the matrix in the README.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use testbed::tree;

/// Runs a row of the matrix over one registry, and notes how it went.
pub(crate) fn row(registry: &str, row: &str, test: impl FnOnce()) {
    let ended = catch_unwind(AssertUnwindSafe(test));
    let folder = tree::target().join("dubbo-matrix").join(registry);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(row), if ended.is_ok() { "yes" } else { "NO" }).unwrap();
    if let Err(panic) = ended {
        resume_unwind(panic);
    }
}
