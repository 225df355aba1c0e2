//! How calls are made, as far as operators say: time, that of a try, and retries, of a service or of one method. Pure.

use crate::call::Invocation;
use std::{collections::BTreeMap, time::Duration};

/// What is said of the calls of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tunes {
    all: Tune,
    /// By the name on the wire.
    methods: BTreeMap<String, Tune>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tune {
    timeout: Option<Duration>,
    per_try: Option<Duration>,
    retries: Option<u32>,
}

/// The longest time that is taken: a day.
const LONGEST: u64 = 24 * 60 * 60 * 1000;
/// The most retries that are taken.
const MOST: u32 = 10;

impl Tunes {
    /// Whether a parameter of this name is of calls: `timeout`, `Level.retries`.
    pub(super) fn takes(name: &str) -> bool {
        matches!(name.rsplit('.').next(), Some("timeout" | "per_try_timeout" | "retries"))
    }

    /// Says one more thing. Of two on the same the later counts.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let (method, what) = name.rsplit_once('.').map_or((None, name), |(method, what)| (Some(method), what));
        let tune = match method {
            None => &mut self.all,
            Some(method) => self.methods.entry(method.to_owned()).or_default(),
        };
        match what {
            "timeout" => tune.timeout = Some(millis(name, value)?),
            "per_try_timeout" => tune.per_try = Some(millis(name, value)?),
            "retries" => {
                let retries = value.parse::<u32>().ok().filter(|retries| *retries <= MOST);
                tune.retries = Some(retries.ok_or_else(|| format!("the {name} `{value}` is not from 0 to {MOST}"))?);
            }
            _ => return Err(format!("`{name}` is not of calls")),
        }
        Ok(())
    }

    /// Nothing is said.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Puts what is said into a call whose caller said nothing of it.
    pub(crate) fn apply(&self, call: &mut Invocation) {
        let own = self.methods.get(call.method.name()).copied().unwrap_or_default();
        if call.deadline.is_none() {
            let timeout = own.timeout.or(self.all.timeout);
            call.deadline = timeout.and_then(|timeout| call.began.checked_add(timeout));
        }
        call.per_try = call.per_try.or(own.per_try).or(self.all.per_try);
        call.retries = call.retries.or(own.retries).or(self.all.retries);
    }
}

/// A time in milliseconds, as Dubbo's parameters say it.
fn millis(name: &str, value: &str) -> Result<Duration, String> {
    let millis = value.parse::<u64>().ok().filter(|millis| (1..=LONGEST).contains(millis));
    let wrong = || format!("the {name} `{value}` is not from 1 to {LONGEST} milliseconds");
    millis.map(Duration::from_millis).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{call::Kind, layer::testing::call};

    #[test]
    fn the_caller_s_word_counts_most_and_the_method_s_before_that_of_all() {
        let mut tunes = Tunes::default();
        assert!(tunes.is_empty());
        for (name, value) in [
            ("timeout", "1000"),
            ("C.timeout", "300"),
            ("retries", "1"),
            ("D.retries", "5"),
            ("per_try_timeout", "90"),
            ("D.per_try_timeout", "10"),
        ] {
            tunes.set(name, value).unwrap();
        }
        let mut said = call(Kind::Unary, true);
        (said.deadline, said.retries, said.per_try) = (Some(said.began), Some(0), Some(Duration::ZERO));
        tunes.apply(&mut said);
        assert_eq!((said.deadline, said.retries), (Some(said.began), Some(0)));
        assert_eq!(said.per_try, Some(Duration::ZERO));
        let mut silent = call(Kind::Unary, true);
        tunes.apply(&mut silent);
        assert_eq!((silent.deadline, silent.retries), (Some(silent.began + Duration::from_millis(300)), Some(1)));
        assert_eq!(silent.per_try, Some(Duration::from_millis(90)));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (name, value) in [
            ("timeout", "0"),
            ("timeout", "-1"),
            ("C.timeout", "1s"),
            ("retries", "11"),
            ("per_try_timeout", "0"),
            ("x", "1"),
        ] {
            assert!(Tunes::default().set(name, value).is_err(), "{name} {value}");
        }
        assert!(
            Tunes::takes("Level.timeout")
                && Tunes::takes("retries")
                && Tunes::takes("C.per_try_timeout")
                && !Tunes::takes("weight")
        );
    }
}
