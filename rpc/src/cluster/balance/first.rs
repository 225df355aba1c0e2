//! The first that can be used, in the order of the ids: one that stands in for the ones before it. Pure.

use super::{Candidates, Die, LoadBalance};
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct First;

impl LoadBalance for First {
    fn name(&self) -> &'static str {
        "first"
    }

    fn pick(&self, among: &dyn Candidates, _: Duration, _: Die<'_>) -> Option<usize> {
        (0..among.shares().len()).find(|index| among.usable(*index))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    #[test]
    fn it_is_the_first_that_can_be_used() {
        let mut few = Few::new(&[100; 4]);
        let pick = |few: &Few| First.pick(few, Duration::ZERO, &mut die(1));
        assert_eq!(pick(&few), Some(0));
        (few.usable[0], few.usable[1]) = (false, false);
        assert_eq!(pick(&few), Some(2));
        few.usable = vec![false; 4];
        assert_eq!(pick(&few), None);
    }
}
