//! The last one again, as long as it can be used; else another rule picks the next one. Pure but for the word that holds who
//! it was.

use super::{Candidates, Die, LoadBalance};
use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

/// Stays with who was picked.
#[derive(Debug)]
pub(crate) struct Sticky {
    rule: Box<dyn LoadBalance>,
    /// Who it was, and where it stood; 0 for nobody.
    who: AtomicUsize,
    place: AtomicUsize,
}

impl Sticky {
    pub(crate) fn new(rule: Box<dyn LoadBalance>) -> Self {
        Self { rule, who: AtomicUsize::new(0), place: AtomicUsize::new(0) }
    }

    /// Where the last one stands now.
    fn last(&self, among: &dyn Candidates) -> Option<usize> {
        let (who, place, len) = (self.who.load(Relaxed), self.place.load(Relaxed), among.shares().len());
        if who == 0 {
            return None;
        }
        let is_at = |place: &usize| among.identity(*place) == who;
        // The directory may have moved it.
        Some(place).filter(|place| *place < len).filter(is_at).or_else(|| (0..len).find(is_at))
    }
}

impl LoadBalance for Sticky {
    fn name(&self) -> &'static str {
        "sticky"
    }

    fn wants_ring(&self) -> bool {
        self.rule.wants_ring()
    }

    fn stays_with(&self) -> Option<usize> {
        Some(self.who.load(Relaxed)).filter(|who| *who != 0)
    }

    fn pick(&self, among: &dyn Candidates, now: Duration, dice: Die<'_>) -> Option<usize> {
        let index = match self.last(among).filter(|index| among.usable(*index)) {
            Some(index) => index,
            None => self.rule.pick(among, now, dice)?,
        };
        self.place.store(index, Relaxed);
        self.who.store(among.identity(index), Relaxed);
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, super::*, *};

    #[test]
    fn it_stays_until_it_cannot_and_then_stays_there() {
        let mut few = Few::new(&[100; 5]);
        let sticky = Sticky::new(rule(&crate::client::Balance::Random));
        let mut dice = die(4);
        let mut pick = |few: &Few| sticky.pick(few, Duration::ZERO, &mut dice).unwrap();
        assert_eq!(sticky.stays_with(), None);
        let first = pick(&few);
        assert_eq!(sticky.stays_with(), Some(first + 1));
        assert!((0..50).all(|_| pick(&few) == first));
        few.usable[first] = false;
        let second = pick(&few);
        few.usable[first] = true;
        assert!(second != first && (0..50).all(|_| pick(&few) == second));
        // Another one comes before it.
        few.identities.rotate_right(1);
        assert_eq!(pick(&few), (second + 1) % 5);
    }
}
