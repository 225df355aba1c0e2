//! Tests of the sources: who wins, and what is said of mistakes.

use super::*;

const NO_FILE: fn(&Path) -> io::Result<String> = |path| panic!("{} was read", path.display());

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn pairs(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn flags_win_over_variables_over_the_file_over_the_program() {
    let program = Given { name: "zone", text: "program".to_owned(), origin: Origin::Program };
    for (arguments, variables, file, zone, origin) in [
        ("--zone=flag --config f", &[("MAINSTAY_ZONE", "variable")][..], "zone = \"file\"", "flag", "--zone"),
        ("--config f", &[("MAINSTAY_ZONE", "variable")], "zone = \"file\"", "variable", "MAINSTAY_ZONE"),
        ("", &[("MAINSTAY_CONFIG", "f"), ("HOME", "/")], "\nzone = \"file\"", "file", "f:2"),
        ("--config=f", &[("MAINSTAY_CONFIG", "other")], "weight = 7", "program", "the program"),
    ] {
        let read = |path: &Path| if path == Path::new("f") { Ok(file.to_owned()) } else { NO_FILE(path) };
        let mut sources = Sources::read(words(arguments), pairs(variables), read);
        assert_eq!(sources.problems, [""; 0], "{arguments}");
        sources.given.insert(0, program.clone());
        let resolved = Resolved::of(sources.given).unwrap();
        assert_eq!(resolved.settings.zone.as_deref(), Some(zone), "{arguments}");
        assert_eq!(resolved.origin("zone").to_string(), origin, "{arguments}");
        assert_eq!(resolved.origin("listen"), &Origin::Default);
    }
}

#[test]
fn all_mistakes_are_told_at_once_with_place_and_nearest_spelling() {
    let file = "zone = \"a\"\nwieght = 5\nlisten = [1]\n[server]\nport = 1\n";
    let variables = pairs(&[("MAINSTAY_LISEN", "1"), ("MAINSTAY_COLOUR", "red"), ("OTHER", "x")]);
    let arguments = words("-- --drain-dealy 5s --zone --config=app.toml extra");
    let sources = Sources::read(arguments, variables, |_| Ok(file.to_owned()));
    assert_eq!(
        sources.problems,
        [
            "unknown variable `MAINSTAY_COLOUR`; `--help` lists all",
            "unknown variable `MAINSTAY_LISEN`, did you mean `MAINSTAY_LISTEN`?",
            "unknown flag `--drain-dealy`, did you mean `--drain-delay`?",
            "`--zone` takes a value: `--zone NAME`",
            "unexpected argument `extra`; settings are given as `--name value`",
            "app.toml:3: `listen` is of type array; it takes ADDRESS",
            "app.toml:4: unknown key `server`; `--help` lists all",
            "app.toml:2: unknown key `wieght`, did you mean `weight`?",
        ]
    );
}

#[test]
fn several_registries_are_a_list_in_the_file_and_one_text_elsewhere() {
    for (arguments, file) in [
        ("--config a.toml", "registry = [\"memory://a\", \"memory://b\"]"),
        ("--config a.toml", "registry = \"memory://a|memory://b\""),
        ("--config a.toml --registry memory://a|memory://b", ""),
    ] {
        let sources = Sources::read(words(arguments), pairs(&[]), |_| Ok(file.to_owned()));
        assert_eq!(sources.problems, [""; 0]);
        assert_eq!(Resolved::of(sources.given).unwrap().settings.registry, "memory://a|memory://b");
    }
    let sources = Sources::read(words("--config a.toml"), pairs(&[]), |_| Ok("registry = [1]".to_owned()));
    assert_eq!(sources.problems, ["a.toml:1: `registry` is of type array; it takes URL"]);
}

#[test]
fn every_value_that_cannot_be_read_is_told_with_where_it_stands() {
    let file = "weight = -1\ndrain-grace = \"soon\"\n";
    let sources = Sources::read(words("--config a.toml --registry nowhere"), pairs(&[]), |_| Ok(file.to_owned()));
    let problems = Resolved::of(sources.given).unwrap_err();
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems[0].starts_with("a.toml:2: `soon` is no value for `drain-grace`"), "{problems:?}");
    assert!(problems[1].starts_with("a.toml:1: `-1` is no value for `weight`"), "{problems:?}");
    assert!(problems[2].starts_with("--registry: registry URL `nowhere`: no scheme"), "{problems:?}");
}

#[test]
fn a_file_that_cannot_be_read_or_parsed_says_so() {
    let missing = |_: &Path| Err(io::Error::from(io::ErrorKind::NotFound));
    let sources = Sources::read(words("--config a.toml"), pairs(&[]), missing);
    assert!(sources.problems[0].starts_with("--config: cannot read `a.toml`: "), "{:?}", sources.problems);
    let sources = Sources::read(words("--config a.toml"), pairs(&[]), |_| Ok("zone = \"a\"\nweight = \n".to_owned()));
    assert!(sources.problems[0].starts_with("a.toml:2: "), "{:?}", sources.problems);
}

#[test]
fn a_password_is_never_repeated() {
    let sources = Sources::read(words("--registry joe:secret@h"), pairs(&[]), NO_FILE);
    let problems = Resolved::of(sources.given).unwrap_err();
    assert!(!problems[0].contains("secret"), "{problems:?}");
}

#[test]
fn what_others_set_in_our_name_is_left_alone() {
    let others = [("MAINSTAY_LOCK", "write"), ("MAINSTAY_GATEWAY_SERVICE_HOST", "10.0.0.1"), ("MAINSTAY_PORT", "tcp")];
    let sources = Sources::read(words("--help --print-config"), pairs(&others), NO_FILE);
    assert!(sources.problems.is_empty() && sources.help && sources.print, "{sources:?}");
}

#[cfg(not(feature = "tls"))]
#[test]
fn a_setting_whose_feature_is_off_says_which_to_add() {
    let sources = Sources::read(words("--tls-cert a.pem"), pairs(&[]), NO_FILE);
    let problems = Resolved::of(sources.given).unwrap_err();
    assert!(problems[0].contains("features = [\"tls\"]"), "{problems:?}");
}

#[cfg(feature = "tls")]
#[test]
fn a_certificate_without_its_key_is_told_with_who_set_it() {
    let file = "tls-client-ca = \"ca.pem\"\n";
    for (arguments, problem) in [
        ("--config a.toml", "a.toml:1: `tls-client-ca` wants `tls-cert` too"),
        ("--config a.toml --tls-cert c.pem", "--tls-cert: `tls-cert` wants `tls-key` too"),
    ] {
        let sources = Sources::read(words(arguments), pairs(&[]), |_| Ok(file.to_owned()));
        assert_eq!(Resolved::of(sources.given).unwrap_err(), [problem]);
    }
}
