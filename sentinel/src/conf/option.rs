//! What can be set per master: the one place that maps words to the core's settings and back.
//!
//! The configuration file (`sentinel quorum …` aside) and `SENTINEL SET` know the same options with the same values, so
//! both read here, and the rewriting of the file writes what is read here.

use crate::core::config::{Change, Fencing, Secret, Settings};

/// Why an option cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionError {
    /// There is none of this name.
    #[error("there is no such option")]
    Unknown,
    /// It takes so many values.
    #[error("{0} expected")]
    Count(&'static str),
    /// The value is none of its values.
    #[error("`{value}` is no {expected}")]
    Invalid {
        /// The value.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
}

/// Options of a file and of `SENTINEL SET`; `quorum` is one of the latter only.
pub(super) const OPTIONS: &[&str] = &[
    "down-after-milliseconds",
    "failover-timeout",
    "parallel-syncs",
    "notification-script",
    "client-reconfig-script",
    "auth-pass",
    "auth-user",
    "rename-command",
    "master-reboot-down-after-period",
    "fencing",
    "confirmed-writes",
    "lossless-failover",
    "observe-only",
];

/// How many of `rest`, the words after an option, are its values; `None` if there is no such option. Whether they are
/// enough is said by [`change`].
pub fn words_of_option<T: AsRef<str>>(option: &str, rest: &[T]) -> Option<usize> {
    let option = option.to_ascii_lowercase();
    match option.as_str() {
        "rename-command" => Some(2),
        "fencing" => {
            let mode = rest.first().map(|word| word.as_ref().to_ascii_lowercase());
            Some(if matches!(mode.as_deref(), Some("gate" | "command")) { 2 } else { 1 })
        }
        "quorum" => Some(1),
        known if OPTIONS.contains(&known) => Some(1),
        _ => None,
    }
}

/// The change that an option with these values asks for.
///
/// # Errors
/// If there is no such option, or its values are none.
pub fn change<T: AsRef<str>>(option: &str, values: &[T]) -> Result<Change, OptionError> {
    let expected = words_of_option(option, values).ok_or(OptionError::Unknown)?;
    let values: Vec<&str> = values.iter().map(AsRef::as_ref).collect();
    if values.len() != expected {
        return Err(OptionError::Count(if expected == 2 { "two values" } else { "one value" }));
    }
    let value = values[0];
    Ok(match option.to_ascii_lowercase().as_str() {
        "quorum" => Change::Quorum(count(value)?),
        "down-after-milliseconds" => Change::DownAfter(time(value)?),
        "failover-timeout" => Change::FailoverTimeout(time(value)?),
        "parallel-syncs" => Change::ParallelSyncs(count(value)?),
        "master-reboot-down-after-period" => {
            Change::RebootDownAfter(number(value).ok_or_else(|| invalid(value, "time in milliseconds"))?)
        }
        "notification-script" => Change::NotificationScript(text(value)),
        "client-reconfig-script" => Change::ClientReconfigScript(text(value)),
        "auth-user" => Change::AuthUser(text(value)),
        "auth-pass" => Change::AuthPass(text(value).map(Secret)),
        "rename-command" => match values.iter().find(|word| word.is_empty()) {
            Some(empty) => return Err(invalid(empty, "name of a command")),
            None => Change::RenameCommand(value.to_owned(), values[1].to_owned()),
        },
        "fencing" => Change::Fencing(fencing(&values)?),
        "confirmed-writes" => {
            let replicas: u32 = number(value).ok_or_else(|| invalid(value, "number of replicas"))?;
            Change::ConfirmedWrites((replicas > 0).then_some(replicas))
        }
        "lossless-failover" => Change::LosslessFailover(yes_no(value)?),
        "observe-only" => Change::ObserveOnly(yes_no(value)?),
        _ => return Err(OptionError::Unknown),
    })
}

/// All options of a master as words of a file, in the order of redis-sentinel, and whether each differs from its
/// default.
pub(super) fn words_of_settings(settings: &Settings) -> Vec<(&'static str, Vec<String>, bool)> {
    let default = Settings::new(settings.quorum);
    let yes = |on: bool| String::from(if on { "yes" } else { "no" });
    let mut all: Vec<(&'static str, Vec<String>, bool)> = Vec::new();
    let mut one = |option, value: String, differs| all.push((option, vec![value], differs));
    let text = |t: &Option<String>| t.clone().unwrap_or_default();
    let secret = |s: &Option<Secret>| s.as_ref().map(|s| s.0.clone()).unwrap_or_default();
    one("down-after-milliseconds", settings.down_after.to_string(), settings.down_after != default.down_after);
    let differs = settings.failover_timeout != default.failover_timeout;
    one("failover-timeout", settings.failover_timeout.to_string(), differs);
    one("parallel-syncs", settings.parallel_syncs.to_string(), settings.parallel_syncs != default.parallel_syncs);
    one("notification-script", text(&settings.notification_script), settings.notification_script.is_some());
    one("client-reconfig-script", text(&settings.client_reconfig_script), settings.client_reconfig_script.is_some());
    one("auth-pass", secret(&settings.auth_pass), settings.auth_pass.is_some());
    one("auth-user", text(&settings.auth_user), settings.auth_user.is_some());
    let differs = settings.reboot_down_after != default.reboot_down_after;
    one("master-reboot-down-after-period", settings.reboot_down_after.to_string(), differs);
    let differs = settings.confirmed_writes != default.confirmed_writes;
    one("confirmed-writes", settings.confirmed_writes.unwrap_or(0).to_string(), differs);
    let differs = settings.lossless_failover != default.lossless_failover;
    one("lossless-failover", yes(settings.lossless_failover), differs);
    one("observe-only", yes(settings.observe_only), settings.observe_only != default.observe_only);
    all.push(("fencing", fencing_words(&settings.fencing), settings.fencing != default.fencing));
    for (command, name) in &settings.rename_commands {
        all.push(("rename-command", vec![command.clone(), name.clone()], true));
    }
    all
}

fn fencing(values: &[&str]) -> Result<Fencing, OptionError> {
    let mode = "mode (none, gate <replicas>, command <script>, on-return)";
    match (values[0].to_ascii_lowercase().as_str(), values.get(1)) {
        ("none", None) => Ok(Fencing::None),
        ("on-return", None) => Ok(Fencing::OnReturn),
        ("gate", Some(replicas)) => Ok(Fencing::Gate { min_replicas: count(replicas)? }),
        ("command", Some(script)) if !script.is_empty() => Ok(Fencing::Command { script: (*script).to_owned() }),
        _ => Err(invalid(values[0], mode)),
    }
}

fn fencing_words(fencing: &Fencing) -> Vec<String> {
    match fencing {
        Fencing::Gate { min_replicas } => vec!["gate".into(), min_replicas.to_string()],
        Fencing::Command { script } => vec!["command".into(), script.clone()],
        other => vec![other.to_string()],
    }
}

fn text(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

fn count(value: &str) -> Result<u32, OptionError> {
    number(value).filter(|n| *n > 0).ok_or_else(|| invalid(value, "number above 0"))
}

fn time(value: &str) -> Result<u64, OptionError> {
    number(value).filter(|n| *n > 0).ok_or_else(|| invalid(value, "time in milliseconds above 0"))
}

/// A number as Redis reads it, which fits: as Redis keeps it, below 2^63.
pub(super) fn number<N: TryFrom<i64>>(value: &str) -> Option<N> {
    N::try_from(crate::resp::integer(value.as_bytes())?).ok()
}

pub(super) fn yes_no(value: &str) -> Result<bool, OptionError> {
    match value.to_ascii_lowercase().as_str() {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(invalid(value, "yes or no")),
    }
}

fn invalid(value: &str, expected: &'static str) -> OptionError {
    OptionError::Invalid { value: value.to_owned(), expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_taken_and_those_that_are_not() {
        let gate = Change::Fencing(Fencing::Gate { min_replicas: 1 });
        let table: Vec<(&str, &[&str], Result<Change, &str>)> = vec![
            ("Quorum", &["2"], Ok(Change::Quorum(2))),
            ("quorum", &["0"], Err("`0` is no number above 0")),
            ("down-after-milliseconds", &["1"], Ok(Change::DownAfter(1))),
            ("down-after-milliseconds", &["1000x"], Err("`1000x` is no time in milliseconds above 0")),
            ("failover-timeout", &["-1"], Err("`-1` is no time in milliseconds above 0")),
            ("failover-timeout", &[], Err("one value expected")),
            ("parallel-syncs", &["4294967296"], Err("`4294967296` is no number above 0")),
            ("master-reboot-down-after-period", &["0"], Ok(Change::RebootDownAfter(0))),
            ("auth-pass", &[""], Ok(Change::AuthPass(None))),
            ("rename-command", &["a", "b"], Ok(Change::RenameCommand("a".into(), "b".into()))),
            ("rename-command", &["a"], Err("two values expected")),
            ("rename-command", &["a", ""], Err("`` is no name of a command")),
            ("fencing", &["gate", "1"], Ok(gate)),
            ("fencing", &["gate"], Err("two values expected")),
            ("fencing", &["gate", "0"], Err("`0` is no number above 0")),
            ("fencing", &["On-Return"], Ok(Change::Fencing(Fencing::OnReturn))),
            ("fencing", &["x"], Err("`x` is no mode (none, gate <replicas>, command <script>, on-return)")),
            ("confirmed-writes", &["0"], Ok(Change::ConfirmedWrites(None))),
            ("lossless-failover", &["maybe"], Err("`maybe` is no yes or no")),
            ("nonsense", &["1"], Err("there is no such option")),
        ];
        for (option, values, expected) in table {
            let found = change(option, values).map_err(|e| e.to_string());
            assert_eq!(found, expected.map_err(str::to_owned), "{option} {values:?}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut settings = Settings::new(2);
        let changes = [
            change("fencing", &["command", "/bin/fence it"]),
            change("rename-command", &["CONFIG", "cfg"]),
            change("auth-pass", &["p w"]),
            change("confirmed-writes", &["1"]),
            change("lossless-failover", &["no"]),
            change("down-after-milliseconds", &["200"]),
        ];
        changes.into_iter().for_each(|c| c.unwrap().apply(&mut settings));
        let mut again = Settings::new(2);
        for (option, values, _) in words_of_settings(&settings) {
            change(option, &values).unwrap().apply(&mut again);
        }
        assert_eq!(again, settings);
        assert_eq!(words_of_settings(&Settings::new(2)).iter().filter(|(.., differs)| *differs).count(), 0);
    }
}
