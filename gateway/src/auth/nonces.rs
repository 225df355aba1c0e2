//! What was used once, for as long as it could be used again. Pure: the time is an argument.

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

/// A nonce and whose it is, hashed.
pub(super) type Print = [u8; 16];

/// Prints, each with the moment from which it needs no remembering.
#[derive(Debug, Default)]
pub(super) struct Nonces {
    known: HashSet<Print>,
    by_end: BTreeSet<(Duration, Print)>,
}

/// What is said of a nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Never,
    Before,
    /// It cannot be remembered, so it cannot be taken.
    Full,
}

impl Nonces {
    /// Asks for a nonce, and remembers it until `end`. There are at most `most`.
    pub(super) fn ask(&mut self, print: Print, end: Duration, now: Duration, most: usize) -> Seen {
        while let Some((over, print)) = self.by_end.first().copied().filter(|(over, _)| *over <= now) {
            self.by_end.remove(&(over, print));
            self.known.remove(&print);
        }
        if self.known.contains(&print) {
            return Seen::Before;
        }
        if self.known.len() >= most {
            return Seen::Full;
        }
        self.known.insert(print);
        self.by_end.insert((end, print));
        Seen::Never
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// As a list of everything that ever came.
        #[test]
        fn what_was_used_is_not_taken_again_while_it_counts(asks in prop::collection::vec((0u8..12, 0u64..30, 1u64..20), 0..80)) {
            let (mut nonces, mut all, mut now) = (Nonces::default(), Vec::<(u8, u64)>::new(), 0);
            for (nonce, pause, lasts) in asks {
                now += pause;
                let s = Duration::from_secs;
                let seen = nonces.ask([nonce; 16], s(now + lasts), s(now), 5);
                let live: Vec<_> = all.iter().filter(|(_, end)| *end > now).collect();
                let slow = match live.iter().any(|(known, _)| *known == nonce) {
                    true => Seen::Before,
                    false if live.len() >= 5 => Seen::Full,
                    false => Seen::Never,
                };
                prop_assert_eq!(seen, slow);
                if slow == Seen::Never {
                    all.push((nonce, now + lasts));
                }
                prop_assert!(nonces.known.len() == nonces.by_end.len() && nonces.known.len() <= 5);
            }
        }
    }
}
