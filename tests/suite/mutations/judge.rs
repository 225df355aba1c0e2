//! Whether tests noticed a mutation, by what they printed.

use crate::execute::Ended;

/// How many lines are shown of what went otherwise.
const SHOWN: usize = 40;

/// All of the tests ran and passed.
pub(super) fn passed(ended: &Ended, tests: &[String]) -> Result<(), String> {
    each(ended, tests, |test| match outcome(&ended.text, test) {
        Some("ok") => Ok(()),
        Some(_) => Err(format!("`{test}` fails although nothing is broken")),
        None => Err(format!("`{test}` did not run")),
    })
}

/// All of the tests ran and failed, saying `says`.
pub(super) fn noticed(ended: &Ended, tests: &[String], says: &str) -> Result<(), String> {
    each(ended, tests, |test| match outcome(&ended.text, test) {
        Some("FAILED") if said(&ended.text, test).contains(says) => Ok(()),
        Some("FAILED") => Err(format!("`{test}` fails, but does not say `{says}`")),
        Some(_) => Err(format!("it survives: `{test}` passes")),
        None => Err(format!("`{test}` did not run, or did not end")),
    })
}

fn each(ended: &Ended, tests: &[String], of: impl Fn(&str) -> Result<(), String>) -> Result<(), String> {
    let shown = |why: String| {
        let lines: Vec<&str> = ended.text.lines().collect();
        format!("{why}\n{}", lines[lines.len().saturating_sub(SHOWN)..].join("\n"))
    };
    if let Err(e) = &ended.status {
        return Err(shown(e.clone()));
    }
    if !ended.left.is_empty() {
        return Err(format!("left behind: {}", ended.left.join("; ")));
    }
    tests.iter().try_for_each(|test| of(test)).map_err(shown)
}

/// What the harness says of a test: `ok` or `FAILED`.
fn outcome<'a>(text: &'a str, test: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix("test ")?.strip_prefix(test)?.strip_prefix(" ... "))
}

/// What a test printed that failed.
fn said<'a>(text: &'a str, test: &str) -> &'a str {
    let begin = format!("---- {test} stdout ----\n");
    let rest = text.split_once(&begin).map_or("", |(_, rest)| rest);
    rest.split("\n---- ").next().and_then(|part| part.split("\nfailures:\n").next()).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const TEXT: &str = "running 3 tests\ntest a::one ... ok\ntest two ... FAILED\ntest three ... FAILED\n\nfailures:\n\n\
                        ---- two stdout ----\nthread 'two' panicked at x.rs:1:2:\n5 calls were lost\n\n\
                        ---- three stdout ----\nno such thing\n\nfailures:\n    two\n    three\n5 calls were found\n";

    fn ended(text: &str) -> Ended {
        let status = Command::new("true").status().map_err(|e| e.to_string());
        Ended { status, text: text.to_owned(), time: std::time::Duration::ZERO, left: Vec::new() }
    }

    fn names(tests: &[&str]) -> Vec<String> {
        tests.iter().map(|test| (*test).to_owned()).collect()
    }

    #[test]
    fn a_test_notices_when_it_fails_and_says_so() {
        let noticed = |tests: &[&str], says| noticed(&ended(TEXT), &names(tests), says);
        noticed(&["two"], "calls were lost").unwrap();
        for (tests, says, why) in [
            (&["two", "three"][..], "calls were lost", "`three` fails, but does not say `calls were lost`\n"),
            (&["three"], "calls were found", "`three` fails, but does not say `calls were found`\n"),
            (&["a::one"], "lost", "it survives: `a::one` passes\n"),
            (&["one"], "lost", "`one` did not run, or did not end\n"),
        ] {
            assert!(noticed(tests, says).unwrap_err().starts_with(why), "{tests:?}");
        }
    }

    #[test]
    fn unbroken_is_what_passes() {
        let passed = |tests: &[&str]| passed(&ended(TEXT), &names(tests));
        passed(&["a::one"]).unwrap();
        assert!(passed(&["a::one", "two"]).unwrap_err().starts_with("`two` fails although nothing is broken"));
        assert!(passed(&["four"]).unwrap_err().starts_with("`four` did not run"));
    }

    #[test]
    fn who_does_not_end_or_leaves_something_behind_proves_nothing() {
        let late = Ended { status: Err("ended after 3 minutes".to_owned()), ..ended(TEXT) };
        assert!(noticed(&late, &names(&["two"]), "calls were lost").unwrap_err().starts_with("ended after 3 minutes"));
        let left = Ended { left: vec!["sleep 600".to_owned()], ..ended(TEXT) };
        assert_eq!(noticed(&left, &names(&["two"]), "calls were lost").unwrap_err(), "left behind: sleep 600");
    }
}
