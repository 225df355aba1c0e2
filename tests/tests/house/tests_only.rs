//! Tests: none is skipped, none guesses at time, and no code is kept alive by a lint that is switched off.

use crate::tree::Tree;

/// The one file that has to spell out what it forbids.
const THIS: &str = "tests/tests/house/tests_only.rs";

/// What no other file may hold, with the reason. What a macro emits (`quote!`) is the user's code, and a test may need
/// decoys, so for these the lint is not ours to keep on.
const BANNED: &[(&str, &str)] = &[
    ("#[ignore", "a test that never runs is worse than none"),
    ("allow(dead_code", "what nobody uses goes"),
    ("allow(unused)", "what nobody uses goes"),
    ("todo!(", "unfinished"),
    ("unimplemented!(", "unfinished"),
];

/// Above a wait that is the behaviour under test itself (a handler that takes long), not a guess at another's.
const MARK: &str = "slow on purpose";

fn banned(tree: &Tree) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in tree.rust().filter(|f| f.path != THIS) {
        let excused = |n: usize, line: &str| line.contains("quote!") || file.test_lines().any(|(t, _)| t == n);
        for (n, line) in file.text.lines().enumerate().map(|(i, line)| (i + 1, line)) {
            let hit = BANNED.iter().find(|(what, _)| line.contains(what));
            let hit = hit.filter(|(what, _)| !what.starts_with("allow(") || !excused(n, line));
            wrong.extend(hit.map(|(what, why)| format!("{}:{n}: `{what}`: {why}", file.path)));
        }
    }
    wrong
}

fn sleeps(tree: &Tree) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in tree.rust().filter(|f| f.path != THIS) {
        // What helps tests that all pause the clock sleeps on that clock.
        let starts: Vec<&str> =
            file.test_lines().map(|(_, l)| l.trim()).filter(|l| l.starts_with("#[tokio::test")).collect();
        let all_paused = !starts.is_empty() && starts.iter().all(|l| l.contains("start_paused"));
        let (mut paused, mut marked) = (all_paused, false);
        for (n, line) in file.test_lines() {
            let attribute = line.trim_start();
            if attribute.starts_with("#[tokio::test") || attribute.starts_with("#[test]") {
                paused = attribute.contains("start_paused");
            }
            let paused = paused && !line.contains("thread::sleep");
            if sleep(line) && !paused && !marked && !line.contains(MARK) {
                wrong.push(format!("{}:{n}: a test that sleeps: wait for a condition, or pause the clock", file.path));
            }
            marked = line.contains(MARK);
        }
    }
    wrong
}

/// Whether a line of code calls `sleep` or `sleep_until`.
fn sleep(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or("");
    ["sleep(", "sleep_until("].iter().any(|call| {
        code.match_indices(call)
            .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '"'))
    })
}

#[test]
fn nothing_is_skipped_or_left_unfinished() {
    assert_eq!(banned(&Tree::ours()), [""; 0]);
    let skipped = "//! T.\n#[ignore]\n#[test]\nfn f() {}\n";
    let kept = "//! T.\n#[allow(dead_code)]\nfn f() {}\n";
    let emitted = "//! T.\nfn f() { quote!(#[allow(dead_code)]) }\n";
    let sample = Tree::of(&[("rpc/tests/a.rs", skipped), ("b.rs", kept), ("rpc/tests/b.rs", kept), ("c.rs", emitted)]);
    assert_eq!(banned(&sample).len(), 2, "{:?}", banned(&sample));
}

#[test]
fn no_test_guesses_at_time() {
    assert_eq!(sleeps(&Tree::ours()), [""; 0]);
    let test = |attribute: &str, body: &str| format!("//! T.\n#[cfg(test)]\nmod tests {{\n{attribute}\n{body}\n}}\n");
    let call = "tokio::time::sleep(x).await;";
    let samples = [
        (test("#[tokio::test]", call), 1),
        (test("#[tokio::test(start_paused = true)]", call), 0),
        (test("#[test]", "std::thread::sleep(x);"), 1),
        (test("#[tokio::test(start_paused = true)]", "std::thread::sleep(x);"), 1),
        (test("async fn wait() { sleep(x).await }\n#[tokio::test(start_paused = true)]", ""), 0),
        (test("async fn wait() { sleep(x).await }\n#[tokio::test]", ""), 1),
        (test("#[test]", "// slow on purpose: it is cut off\nstd::thread::sleep(x);"), 0),
        (test("#[test]", "// never sleep(x)"), 0),
        ("//! Code.\nfn f() { sleep(x); }\n".to_owned(), 0),
    ];
    for (text, expected) in samples {
        assert_eq!(sleeps(&Tree::of(&[("rpc/src/a.rs", &text)])).len(), expected, "{text}");
    }
}
