//! The head of a mutation: which promise is taken out, and which tests must notice. Pure.

use super::Mutation;
use super::diff::Change;

/// What the head says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    breaks: String,
    package: String,
    target: String,
    tests: Vec<String>,
    says: String,
    seeds: Option<u64>,
}

impl Head {
    pub(super) fn with(self, name: &str, changes: Vec<Change>) -> Mutation {
        let Head { breaks, package, target, tests, says, seeds } = self;
        Mutation { name: name.to_owned(), breaks, package, target, tests, says, seeds, changes }
    }
}

pub(super) fn read(text: &str) -> Result<Head, String> {
    let mut head = Head::default();
    for line in text.lines() {
        let (key, value) = line.split_once(": ").ok_or_else(|| format!("`{line}` is not `key: value`"))?;
        let text = match key {
            "breaks" => &mut head.breaks,
            "package" => &mut head.package,
            "target" => &mut head.target,
            "says" => &mut head.says,
            "test" => {
                head.tests.push(value.to_owned());
                continue;
            }
            "seeds" => {
                head.seeds = Some(value.parse().map_err(|_| format!("`{value}` is no number of seeds"))?);
                continue;
            }
            _ => return Err(format!("nobody knows what `{key}` means")),
        };
        if !std::mem::replace(text, value.to_owned()).is_empty() {
            return Err(format!("`{key}` stands twice"));
        }
    }
    let tests = head.tests.first().map_or("", String::as_str);
    let wanted = [
        ("breaks", head.breaks.as_str()),
        ("package", &head.package),
        ("target", &head.target),
        ("test", tests),
        ("says", &head.says),
    ];
    match wanted.iter().find(|(_, value)| value.is_empty()) {
        Some((key, _)) => Err(format!("`{key}` is missing")),
        None => Ok(head),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = "breaks: b\npackage: p\ntarget: t\ntest: a\ntest: m::b\nsays: no: never";

    #[test]
    fn all_that_is_said_is_read() {
        let head = read(&format!("{ALL}\nseeds: 40")).unwrap();
        assert_eq!((head.tests, head.seeds), (vec!["a".to_owned(), "m::b".to_owned()], Some(40)));
        assert_eq!((head.breaks.as_str(), head.says.as_str()), ("b", "no: never"));
    }

    #[test]
    fn what_is_wrong_is_told() {
        let without = |key: &str| ALL.lines().filter(|l| !l.starts_with(key)).collect::<Vec<_>>().join("\n");
        let cases = [
            (without("breaks"), "`breaks` is missing"),
            (without("test"), "`test` is missing"),
            (without("says"), "`says` is missing"),
            (format!("{ALL}\nsays: more"), "`says` stands twice"),
            (format!("{ALL}\nseeds: many"), "`many` is no number of seeds"),
            (format!("{ALL}\nhangs: yes"), "nobody knows what `hangs` means"),
            (format!("{ALL}\nwords"), "`words` is not `key: value`"),
        ];
        for (text, why) in cases {
            assert_eq!(read(&text).unwrap_err(), why);
        }
    }
}
