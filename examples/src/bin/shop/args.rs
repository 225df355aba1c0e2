//! The arguments of the shop. Pure.

/// What is said on `--help` and on mistakes.
pub(crate) const HELP: &str = "\
shop member|promotion|site [settings]   one process of one service; `--help` after it lists its settings
shop gateway FILE                       the gateway, as mainstay-gateway is; `--help` after it says more
shop demo [--registry URL]              starts two members, two promotions, a site and a gateway; Ctrl-C drains them
shop demo --check [--registry URL]      does it unattended, with faults, and prints one line of JSON";

/// What this process is.
#[derive(Debug, PartialEq)]
pub(crate) enum Role {
    Member(Vec<String>),
    Promotion(Vec<String>),
    Site(Vec<String>),
    Gateway(Vec<String>),
    Demo(Options),
    Help,
}

/// How to demonstrate.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Options {
    pub(crate) check: bool,
    pub(crate) registry: Option<String>,
}

/// Reads the arguments after the program's name. `--` that `cargo` and its aliases leave are skipped.
pub(crate) fn read(arguments: impl IntoIterator<Item = String>) -> Result<Role, String> {
    let mut arguments = arguments.into_iter().skip_while(|argument| argument == "--");
    let Some(role) = arguments.next() else { return Ok(Role::Help) };
    let rest = arguments.skip_while(|argument| argument == "--").collect();
    match role.as_str() {
        "member" => Ok(Role::Member(rest)),
        "promotion" => Ok(Role::Promotion(rest)),
        "site" => Ok(Role::Site(rest)),
        "gateway" => Ok(Role::Gateway(rest)),
        "demo" => demo(rest),
        "--help" | "-h" | "help" => Ok(Role::Help),
        other => Err(format!("`{other}` is no role")),
    }
}

fn demo(arguments: Vec<String>) -> Result<Role, String> {
    let mut options = Options::default();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match argument.split_once('=').unwrap_or((&argument, "")) {
            ("--check", "") => options.check = true,
            ("--registry", "") => {
                options.registry = Some(arguments.next().ok_or("`--registry` takes a URL, such as file:///tmp/shop")?);
            }
            ("--registry", url) => options.registry = Some(url.to_owned()),
            ("--help" | "-h", _) => return Ok(Role::Help),
            _ => return Err(format!("the demo knows no `{argument}`")),
        }
    }
    Ok(Role::Demo(options))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Result<Role, String> {
        read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn dashes_of_cargo_are_skipped_wherever_an_alias_leaves_them() {
        let check = |registry: Option<&str>| Role::Demo(Options { check: true, registry: registry.map(str::to_owned) });
        for line in ["demo --check", "demo -- --check", "-- demo -- -- --check"] {
            assert_eq!(of(line), Ok(check(None)), "{line}");
        }
        assert_eq!(of("demo -- --registry file:///x --check"), Ok(check(Some("file:///x"))));
        assert_eq!(of("demo --registry=file:///x --check"), Ok(check(Some("file:///x"))));
        assert_eq!(of("member --zone a"), Ok(Role::Member(vec!["--zone".into(), "a".into()])));
        assert_eq!(of("gateway a.yaml"), Ok(Role::Gateway(vec!["a.yaml".into()])));
        assert_eq!(of(""), Ok(Role::Help));
    }

    #[test]
    fn what_is_not_known_is_said() {
        for (line, why) in [
            ("shop", "`shop` is no role"),
            ("demo --chekc", "the demo knows no `--chekc`"),
            ("demo --registry", "takes a URL"),
        ] {
            assert!(of(line).unwrap_err().contains(why), "{line}");
        }
    }
}
