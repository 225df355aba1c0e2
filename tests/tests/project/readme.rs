//! What a reader copies out of the README: the files and the curl lines of its first run.
//!
//! `<!-- file: src/main.rs -->` stands before the block that is that file. Curl lines are those in blocks between the first
//! such mark and the next heading.

/// What is in the README's first run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct FirstRun {
    /// Path and text.
    pub(crate) files: Vec<(String, String)>,
    pub(crate) curls: Vec<String>,
}

pub(crate) fn first_run(readme: &str) -> FirstRun {
    let mut run = FirstRun::default();
    let (mut marked, mut fence) = (None, None::<String>);
    for line in readme.lines() {
        let ticks = line.trim_start().starts_with("```");
        match &mut fence {
            None if ticks => fence = Some(String::new()),
            None if line.starts_with("## ") && !run.files.is_empty() => break,
            None => marked = mark(line).or(marked),
            Some(text) if ticks => {
                if let Some(path) = marked.take() {
                    run.files.push((path, std::mem::take(text)));
                } else if !run.files.is_empty() {
                    run.curls.extend(text.lines().filter_map(curl));
                }
                fence = None;
            }
            Some(text) => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    run
}

/// The same line, sent to where the server really listens.
pub(crate) fn aimed(curl: &str, addr: &str) -> String {
    let words = curl.split(' ').map(|word| {
        let quote: String = word.chars().take_while(|c| matches!(c, '\'' | '"')).collect();
        let rest = &word[quote.len()..];
        let bare = rest.strip_prefix("http://").unwrap_or(rest);
        match bare.strip_prefix("localhost:").or_else(|| bare.strip_prefix("127.0.0.1:")) {
            Some(port_on) => {
                format!("{quote}http://{addr}{}", port_on.trim_start_matches(|c: char| c.is_ascii_digit()))
            }
            None => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn mark(line: &str) -> Option<String> {
    Some(line.trim().strip_prefix("<!-- file: ")?.strip_suffix("-->")?.trim().to_owned())
}

fn curl(line: &str) -> Option<String> {
    let line = line.trim_start().trim_start_matches("$ ");
    line.starts_with("curl ").then(|| line.to_owned())
}

#[test]
fn files_and_curl_lines_are_found() {
    let readme = "# It\n```console\ncurl localhost:1/not-yet\n```\n## First run\n<!-- file: src/lib.rs -->\nText.\n\
                  ```rust\nfn a() {}\n```\n<!-- file: src/main.rs -->\n```rust\nfn main() {}\n```\n\
                  ```console\n$ cargo run\n$ curl localhost:8080/x -d '{}'\n{\"a\":1}\n```\n## Next\n\
                  ```console\ncurl localhost:1/too-late\n```\n";
    let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    assert_eq!(
        first_run(readme),
        FirstRun {
            files: vec![file("src/lib.rs", "fn a() {}\n"), file("src/main.rs", "fn main() {}\n")],
            curls: vec!["curl localhost:8080/x -d '{}'".to_owned()],
        }
    );
}

#[test]
fn curl_lines_are_aimed() {
    let cases = [
        ("curl localhost:8080/x -d '{}'", "curl http://127.0.0.1:9/x -d '{}'"),
        ("curl -s 'http://127.0.0.1:50051/a/b?c=1'", "curl -s 'http://127.0.0.1:9/a/b?c=1'"),
        ("curl -H 'a: b' example/x", "curl -H 'a: b' example/x"),
    ];
    for (line, expected) in cases {
        assert_eq!(aimed(line, "127.0.0.1:9"), expected);
    }
}
