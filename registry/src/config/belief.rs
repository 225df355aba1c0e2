//! What to tell the reader of one key after the centre's answer, or after none. Pure.
//!
//! A text that is there is told at once. That it is gone is told at once too while the centre is well; from a centre that
//! has just come back it is believed only after it had time to settle, since it may be the data that is gone. A centre that
//! is silent takes nothing back, however long: to act without a rule because its keeper is away would be to act on
//! emptiness. What comes from disk is bounded by its age instead.

use std::time::Duration;

use super::port::{Config, ConfigSight};
use crate::protect::Protection;

/// The memory that the decision needs. Time is a `Duration` since a start of the caller's choice.
#[derive(Debug)]
pub(crate) struct Belief {
    settle: Duration,
    told: Option<ConfigSight>,
    /// It did not answer when it was asked last.
    silent: bool,
    /// Until when an absence is not believed.
    settled: Duration,
    /// Whether an absence is held back.
    holds: bool,
}

impl Belief {
    pub(crate) fn new(protection: Protection) -> Self {
        Self { settle: protection.settle, told: None, silent: false, settled: Duration::ZERO, holds: false }
    }

    /// The centre has this under the key. Answers what is new to the reader.
    pub(crate) fn answered(&mut self, now: Duration, found: Option<Config>) -> Option<ConfigSight> {
        if std::mem::take(&mut self.silent) {
            self.settled = now + self.settle;
        }
        let lost = found.is_none() && self.told.as_ref().is_some_and(|told| told.config().is_some());
        self.holds = lost && now < self.settled;
        if self.holds {
            return None;
        }
        self.tell(found.map_or(ConfigSight::Absent, ConfigSight::Present))
    }

    /// The centre did not answer, for this reason; `recalled` is what is known from earlier, if nothing was told yet.
    pub(crate) fn silent(&mut self, why: &str, recalled: Option<Config>) -> Option<ConfigSight> {
        self.silent = true;
        self.holds = false;
        if self.told.is_some() {
            return None;
        }
        let why = why.to_owned();
        self.tell(match recalled {
            Some(config) => ConfigSight::LastGood { config, why },
            None => ConfigSight::Unknown { why },
        })
    }

    /// Whether the reader heard anything yet.
    pub(crate) fn has_told(&self) -> bool {
        self.told.is_some()
    }

    /// When to ask again for the sake of what is held back.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.holds.then_some(self.settled)
    }

    fn tell(&mut self, sight: ConfigSight) -> Option<ConfigSight> {
        if self.told.as_ref() == Some(&sight) {
            return None;
        }
        self.told = Some(sight.clone());
        Some(sight)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::ConfigVersion;

    fn config(text: &str) -> Config {
        Config::new(text, ConfigVersion::new(text))
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn belief() -> Belief {
        Belief::new(Protection::default())
    }

    #[test]
    fn a_centre_that_is_well_is_believed_at_once() {
        let mut belief = belief();
        assert_eq!(belief.answered(seconds(0), None), Some(ConfigSight::Absent));
        assert_eq!(belief.answered(seconds(1), None), None, "nothing new is not told");
        let present = Some(ConfigSight::Present(config("a")));
        assert_eq!(belief.answered(seconds(2), Some(config("a"))), present);
        assert_eq!(belief.answered(seconds(3), None), Some(ConfigSight::Absent));
        assert_eq!(belief.answered(seconds(4), Some(config("a"))), present);
    }

    #[test]
    fn one_that_comes_back_empty_is_believed_once_it_has_settled() {
        let mut belief = belief();
        belief.answered(seconds(0), Some(config("a")));
        assert_eq!(belief.silent("away", None), None, "what was told stays");
        assert_eq!(belief.answered(seconds(10), None), None);
        assert_eq!(belief.due(), Some(seconds(40)));
        assert_eq!(belief.answered(seconds(39), None), None);
        assert_eq!(belief.answered(seconds(40), None), Some(ConfigSight::Absent));
        assert_eq!(belief.due(), None);
    }

    #[test]
    fn what_changed_meanwhile_is_told_at_once() {
        let mut belief = belief();
        belief.answered(seconds(0), Some(config("a")));
        belief.silent("away", None);
        assert_eq!(belief.answered(seconds(10), Some(config("b"))), Some(ConfigSight::Present(config("b"))));
    }

    #[test]
    fn a_start_without_the_centre_is_bridged_and_says_so() {
        let mut first = belief();
        let why = || "away".to_owned();
        assert_eq!(
            first.silent("away", Some(config("a"))),
            Some(ConfigSight::LastGood { config: config("a"), why: why() })
        );
        assert_eq!(first.answered(seconds(1), None), None, "an absence is not believed at once");
        assert_eq!(first.answered(seconds(2), Some(config("a"))), Some(ConfigSight::Present(config("a"))));
        let mut second = belief();
        assert_eq!(second.silent("away", None), Some(ConfigSight::Unknown { why: why() }));
        assert_eq!(second.answered(seconds(1), None), Some(ConfigSight::Absent), "nothing is lost by that");
    }

    proptest! {
        #[test]
        fn a_text_is_only_taken_back_by_an_answer_of_a_settled_centre(
            steps in prop::collection::vec((1u64..20, prop::option::of(prop::option::of(0u8..3))), 1..40)
        ) {
            let (mut belief, mut now, mut back_at, mut silent) = (belief(), 0, None, false);
            let mut known: Option<ConfigSight> = None;
            for (wait, answer) in steps {
                now += wait;
                let told = match answer {
                    None => {
                        silent = true;
                        belief.silent("away", None)
                    }
                    Some(found) => {
                        if std::mem::take(&mut silent) {
                            back_at = Some(now);
                        }
                        belief.answered(seconds(now), found.map(|n| config(&n.to_string())))
                    }
                };
                let Some(told) = told else { continue };
                prop_assert_ne!(known.as_ref(), Some(&told));
                if known.as_ref().is_some_and(|sight| sight.config().is_some()) && told.config().is_none() {
                    prop_assert_eq!(&told, &ConfigSight::Absent);
                    prop_assert!(!silent && back_at.is_none_or(|at| now - at >= 30));
                }
                known = Some(told);
            }
        }
    }
}
