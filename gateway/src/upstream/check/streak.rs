//! What a row of answers makes of an endpoint. Pure.

use std::time::Duration;

/// How many in a row turn it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thresholds {
    pub(super) unhealthy: u32,
    pub(super) healthy: u32,
}

/// An endpoint, as its answers show it. One that nobody asked yet is well.
#[derive(Clone, Debug)]
pub(super) struct Streak {
    is_well: bool,
    /// Answers in a row that say otherwise.
    against: u32,
}

impl Streak {
    pub(super) const BEGIN: Self = Self { is_well: true, against: 0 };

    pub(super) fn is_well(&self) -> bool {
        self.is_well
    }

    /// Hears an answer; says whether that turned it.
    pub(super) fn hear(&mut self, fine: bool, thresholds: Thresholds) -> bool {
        if fine == self.is_well {
            self.against = 0;
            return false;
        }
        self.against += 1;
        let enough = if self.is_well { thresholds.unhealthy } else { thresholds.healthy };
        if self.against < enough {
            return false;
        }
        *self = Self { is_well: fine, against: 0 };
        true
    }
}

/// How long to wait for the next: the interval, a tenth more or less. Before the first one it is any share of the interval, so
/// that many gateways do not ask at once.
pub(super) fn pause(interval: Duration, first: bool, random: u64) -> Duration {
    let share = (random % 1001) as f64 / 1000.0;
    interval.mul_f64(if first { share } else { 0.9 + share / 5.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn so_many_in_a_row_turn_it_and_one_of_the_other_kind_begins_anew() {
        let thresholds = Thresholds { unhealthy: 3, healthy: 2 };
        let mut streak = Streak::BEGIN;
        let turns = |streak: &mut Streak, answers: &str| -> String {
            let turned = answers.chars().map(|answer| streak.hear(answer == '+', thresholds));
            turned.map(|turned| if turned { '!' } else { '.' }).collect()
        };
        assert_eq!(turns(&mut streak, "--+--"), ".....");
        assert!(streak.is_well());
        assert_eq!(turns(&mut streak, "-"), "!");
        assert!(!streak.is_well());
        assert_eq!(turns(&mut streak, "+-+-+"), ".....");
        assert_eq!(turns(&mut streak, "+"), "!");
        assert!(streak.is_well());
    }

    proptest! {
        #[test]
        fn pauses_stay_near_the_interval(millis in 1u64..100_000, random: u64) {
            let interval = Duration::from_millis(millis);
            prop_assert!(pause(interval, true, random) <= interval);
            let pause = pause(interval, false, random);
            prop_assert!(pause >= interval.mul_f64(0.899) && pause <= interval.mul_f64(1.101));
        }
    }
}
