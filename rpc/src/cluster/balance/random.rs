//! Drawn by weight. Pure.

use super::{Candidates, Die, LoadBalance, draw};
use std::time::Duration;

/// Picks by weight and nothing else.
#[derive(Debug)]
pub(crate) struct Random;

impl LoadBalance for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn pick(&self, among: &dyn Candidates, now: Duration, dice: Die<'_>) -> Option<usize> {
        draw(among, None, now, dice)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    #[test]
    fn load_does_not_matter() {
        let few = Few::new(&[100, 100]);
        few.loads[0].observe(Duration::from_secs(1), Duration::ZERO);
        let counts = few.count(&Random, 1000, 5);
        assert!(counts[0] > 430 && counts[1] > 430, "{counts:?}");
    }
}
