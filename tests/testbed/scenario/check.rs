//! What must hold of a scenario: a number, the bound that it has to keep, and whether it did.

use std::fmt;
use std::time::Duration;

/// A number that was seen and its bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What was counted or measured.
    pub what: String,
    /// What was seen.
    pub seen: f64,
    /// The least that it may be.
    pub least: f64,
    /// The most that it may be.
    pub most: f64,
    /// What it is counted in.
    pub unit: String,
}

impl Check {
    /// None of these must have happened.
    pub fn none(what: &str, seen: usize) -> Check {
        Check::at_most(what, seen as f64, 0.0, "")
    }

    /// Each of these must have happened.
    pub fn all(what: &str, seen: usize, of: usize) -> Check {
        Check { least: of as f64, ..Check::at_most(what, seen as f64, of as f64, "") }
    }

    /// At most so many.
    pub fn at_most(what: &str, seen: f64, most: f64, unit: &str) -> Check {
        Check { what: what.to_owned(), seen, least: 0.0, most, unit: unit.to_owned() }
    }

    /// At least so many.
    pub fn at_least(what: &str, seen: f64, least: f64, unit: &str) -> Check {
        Check { least, most: f64::INFINITY, ..Check::at_most(what, seen, 0.0, unit) }
    }

    /// It took no longer.
    pub fn within(what: &str, took: Duration, most: Duration) -> Check {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        Check::at_most(what, ms(took), ms(most), "ms")
    }

    /// Whether it held. What is not a number does not.
    pub fn holds(&self) -> bool {
        self.seen >= self.least && self.seen <= self.most
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = if self.unit.is_empty() { String::new() } else { format!(" {}", self.unit) };
        write!(f, "{}: {}{unit}", self.what, number(self.seen))?;
        if self.least == self.most {
            write!(f, " (exactly {})", number(self.most))
        } else if self.most.is_finite() {
            write!(f, " (at most {})", number(self.most))
        } else {
            write!(f, " (at least {})", number(self.least))
        }
    }
}

/// Whole, or with as many places as tell something.
fn number(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value}") } else { format!("{value:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_kept_or_not() {
        for (check, holds, said) in [
            (Check::none("lost", 0), true, "lost: 0 (exactly 0)"),
            (Check::none("lost", 1), false, "lost: 1 (exactly 0)"),
            (Check::all("back", 2, 3), false, "back: 2 (exactly 3)"),
            (Check::at_most("calls for each", 1.255, 1.25, ""), false, "calls for each: 1.25 (at most 1.25)"),
            (Check::at_least("calls", 500.0, 400.0, ""), true, "calls: 500 (at least 400)"),
            (
                Check::within("back", Duration::from_millis(1500), Duration::from_secs(2)),
                true,
                "back: 1500 ms (at most 2000)",
            ),
            (Check::at_most("share", f64::NAN, 1.0, ""), false, "share: NaN (at most 1)"),
        ] {
            assert_eq!((check.holds(), &*check.to_string()), (holds, said));
        }
    }
}
