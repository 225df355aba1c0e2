//! Where settings come from: flags over variables over the file over the program over defaults. Pure.
//!
//! Arguments, variables and the reading of the file come in as arguments: nothing here looks at the process. Whatever is
//! wrong is collected, so that one start shows all of it, each with where it stands and the nearest spelling.

use super::settings::{SETTINGS, Setting, Settings, find};
use std::{collections::BTreeMap, fmt, io, path::Path};
use toml::de::{DeTable, DeValue};

/// Who set a value. The later in this list wins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    Default,
    /// The program itself, as `App::listen`.
    Program,
    File(String, usize),
    Variable(String),
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Program => f.write_str("the program"),
            Self::File(path, line) => write!(f, "{path}:{line}"),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// A value that was given for a setting.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) name: &'static str,
    pub(crate) text: String,
    pub(crate) origin: Origin,
}

/// What the operator said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    pub(crate) given: Vec<Given>,
    /// `--print-config`: show the settings and end.
    pub(crate) print: bool,
    /// `--help`: show what can be set and end.
    pub(crate) help: bool,
    pub(crate) problems: Vec<String>,
}

const PREFIX: &str = "MAINSTAY_";
/// Variables of ours that are no settings of an application.
const OTHER_VARIABLES: &[&str] = &["MAINSTAY_LOCK"];
/// Flags that take no value.
const SWITCHES: [&str; 3] = ["print-config", "help", "config"];

impl Sources {
    /// Reads arguments (without the program's name), variables, and the file that either names.
    pub(crate) fn read(
        arguments: impl IntoIterator<Item = String>,
        variables: impl IntoIterator<Item = (String, String)>,
        read_file: impl FnOnce(&Path) -> io::Result<String>,
    ) -> Self {
        let mut sources = Self::default();
        let file = sources.variables(variables);
        let file = sources.arguments(arguments).or(file);
        if let Some((path, origin)) = file {
            match read_file(Path::new(&path)) {
                Ok(text) => sources.file(&path, &text),
                Err(error) => sources.problems.push(format!("{origin}: cannot read `{path}`: {error}")),
            }
        }
        sources
    }

    /// Reads flags; answers the file that they name.
    fn arguments(&mut self, arguments: impl IntoIterator<Item = String>) -> Option<(String, Origin)> {
        let mut arguments = arguments.into_iter().enumerate().peekable();
        let mut file = None;
        while let Some((at, argument)) = arguments.next() {
            let Some(flag) = argument.strip_prefix("--") else {
                if argument == "-h" {
                    self.help = true;
                } else {
                    self.problems
                        .push(format!("unexpected argument `{argument}`; settings are given as `--name value`"));
                }
                continue;
            };
            let (name, mut value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (flag, None),
            };
            match name {
                // One leading `--` is what `cargo run --` and aliases leave behind.
                "" if at == 0 => continue,
                "print-config" | "help" if value.is_none() => {
                    self.print |= name == "print-config";
                    self.help |= name == "help";
                    continue;
                }
                _ => {}
            }
            let setting = find(name);
            if setting.is_none() && name != "config" {
                self.problems.push(unknown(&format!("flag `--{name}`"), name, "--"));
                // Its value, if it has one, is not a mistake of its own.
                let _ = arguments.next_if(|(_, next)| value.is_none() && !next.starts_with("--"));
                continue;
            }
            value = value.or_else(|| arguments.next_if(|(_, next)| !next.starts_with("--")).map(|(_, next)| next));
            let origin = Origin::Flag(format!("--{name}"));
            match (value, setting) {
                (None, _) => self.problems.push(format!("`--{name}` takes a value: `--{name} {}`", takes(setting))),
                (Some(path), None) => file = Some((path, origin)),
                (Some(text), Some(setting)) => self.given.push(Given { name: setting.name, text, origin }),
            }
        }
        file
    }

    /// Reads variables; answers the file that they name.
    fn variables(&mut self, variables: impl IntoIterator<Item = (String, String)>) -> Option<(String, Origin)> {
        let mut file = None;
        let ours: BTreeMap<_, _> = variables.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
        for (variable, text) in ours {
            let name = variable[PREFIX.len()..].to_ascii_lowercase().replace('_', "-");
            let origin = Origin::Variable(variable.clone());
            match find(&name) {
                Some(setting) => self.given.push(Given { name: setting.name, text, origin }),
                None if name == "config" => file = Some((text, origin)),
                None if OTHER_VARIABLES.contains(&variable.as_str()) || of_an_orchestrator(&variable) => {}
                None => self.problems.push(unknown(&format!("variable `{variable}`"), &name, PREFIX)),
            }
        }
        file
    }

    /// Reads the file's text.
    fn file(&mut self, path: &str, text: &str) {
        let line = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let line = error.span().map_or(1, |span| line(span.start));
            self.problems.push(format!("{path}:{line}: {}", error.message().trim()));
        }
        for (key, value) in table.into_inner() {
            let line = line(key.span().start);
            let name = key.get_ref().replace('_', "-");
            let Some(setting) = find(&name) else {
                self.problems
                    .push(format!("{path}:{line}: {}", unknown(&format!("key `{}`", key.get_ref()), &name, "")));
                continue;
            };
            let text = match value.get_ref() {
                DeValue::String(text) => text.to_string(),
                DeValue::Integer(number) => number.to_string(),
                DeValue::Array(urls) if setting.name == "registry" && urls.iter().all(|url| url.get_ref().is_str()) => {
                    urls.iter().filter_map(|url| url.get_ref().as_str()).collect::<Vec<_>>().join("|")
                }
                other => {
                    let found = other.type_str();
                    self.problems
                        .push(format!("{path}:{line}: `{name}` is of type {found}; it takes {}", setting.takes));
                    continue;
                }
            };
            self.given.push(Given { name: setting.name, text, origin: Origin::File(path.to_owned(), line) });
        }
    }
}

/// What an orchestrator sets for a service of its own whose name begins with `mainstay`: none of our business.
fn of_an_orchestrator(variable: &str) -> bool {
    let ends = ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT", "_TCP", "_TCP_ADDR", "_TCP_PORT", "_TCP_PROTO"];
    ends.iter().any(|end| variable.ends_with(end)) || variable.contains("_SERVICE_PORT_")
}

fn takes(setting: Option<&Setting>) -> &'static str {
    setting.map_or("FILE", |setting| setting.takes)
}

/// `what` is not known; the nearest that is, written as its source writes it.
fn unknown(what: &str, name: &str, prefix: &str) -> String {
    let known = SETTINGS.iter().map(|setting| setting.name);
    let known =
        known.chain(SWITCHES.into_iter().filter(|switch| prefix == "--" || (prefix == PREFIX && *switch == "config")));
    let Some(near) = mainstay_registry::nearest(name, known) else {
        return format!("unknown {what}; `--help` lists all");
    };
    let near = if prefix == PREFIX { near.to_ascii_uppercase().replace('-', "_") } else { near.to_owned() };
    format!("unknown {what}, did you mean `{prefix}{near}`?")
}

/// Settings, and who set each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resolved {
    pub(crate) settings: Settings,
    origins: BTreeMap<&'static str, Origin>,
}

impl Resolved {
    /// Applies what was given, the strongest last.
    ///
    /// # Errors
    /// Every value that cannot be read, also one that another would have overruled.
    pub(crate) fn of(mut given: Vec<Given>) -> Result<Self, Vec<String>> {
        // Stable: of two that are equally strong, the later one wins.
        given.sort_by_key(|given| rank(&given.origin));
        let (mut resolved, mut problems) = (Self::default(), Vec::new());
        for Given { name, text, origin } in given {
            let Some(setting) = find(name) else { continue };
            match (setting.apply)(&mut resolved.settings, &text) {
                Ok(()) => drop(resolved.origins.insert(name, origin)),
                // Its text may hold a password, and the reason shows what may be shown.
                Err(why) if matches!(name, "registry" | "admin-token" | "service-token") => {
                    problems.push(format!("{origin}: {why}"))
                }
                Err(why) => problems.push(format!("{origin}: `{text}` is no value for `{name}`: {why}")),
            }
        }
        if problems.is_empty()
            && let Err((setting, why)) = resolved.settings.misfit()
        {
            problems.push(format!("{}: {why}", resolved.origin(setting)));
        }
        if problems.is_empty() { Ok(resolved) } else { Err(problems) }
    }

    /// Who set the value that counts.
    pub(crate) fn origin(&self, name: &str) -> &Origin {
        self.origins.get(name).unwrap_or(&Origin::Default)
    }
}

fn rank(origin: &Origin) -> u8 {
    match origin {
        Origin::Default => 0,
        Origin::Program => 1,
        Origin::File(..) => 2,
        Origin::Variable(_) => 3,
        Origin::Flag(_) => 4,
    }
}

#[cfg(test)]
#[path = "sources_tests.rs"]
mod tests;
