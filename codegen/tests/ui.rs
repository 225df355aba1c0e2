//! What the macros say to mistakes, word for word, and what they must take.
//!
//! The texts are compared on the toolchain that `rust-toolchain.toml` names; `TRYBUILD=overwrite cargo test -p
//! mainstay-codegen --test ui` writes them anew, to be read before they are committed.

use std::{fs, path::Path};

#[test]
fn mistakes_are_told_at_the_users_own_place() {
    let broken = Path::new(env!("CARGO_TARGET_TMPDIR")).join("broken.proto");
    fs::copy("tests/ui/proto/broken.proto", broken).unwrap();
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/fail/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}
