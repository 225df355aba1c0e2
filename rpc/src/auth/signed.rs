//! Tokens whose signature was found good. Pure: the time is an argument.
//!
//! A caller shows the same token with each call until its time is over, and a public key takes longer to check it than all
//! else that is done for a small call. What is kept is one fact that does not change, that a key of ours signed this very
//! text, by the hash of the text; what the token says is read and judged each time. Keys do not change either: whoever takes
//! others has a list of its own.

use ring::digest::{SHA256, digest};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// Tokens that are known at most. Each was signed by a key of ours, so strangers do not fill it.
const MOST: usize = 4096;

/// The hash of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Print([u8; 32]);

impl Print {
    pub(super) fn of(token: &str) -> Self {
        let mut print = [0; 32];
        print.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(print)
    }
}

/// Which tokens are known, and when the time of each is over.
#[derive(Debug, Default)]
pub(super) struct Signed(Mutex<HashMap<Print, f64>>);

impl Signed {
    pub(super) fn knows(&self, print: &Print) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(print)
    }

    /// A token was found good, and will be so until then.
    pub(super) fn keep(&self, print: Print, until: f64, now: f64) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, until| *until > now);
        }
        if known.len() >= MOST
            && let Some(any) = known.keys().next().copied()
        {
            known.remove(&any);
        }
        known.insert(print, until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_so_many_and_those_whose_time_is_over_go_first() {
        let signed = Signed::default();
        let print = |n: usize| Print::of(&n.to_string());
        (0..MOST).for_each(|n| signed.keep(print(n), if n < 10 { 5.0 } else { 100.0 }, 1.0));
        assert!((0..MOST).all(|n| signed.knows(&print(n))) && !signed.knows(&print(MOST)));
        signed.keep(print(MOST), 100.0, 6.0);
        assert!((0..10).all(|n| !signed.knows(&print(n))) && (10..=MOST).all(|n| signed.knows(&print(n))));
        (0..50).for_each(|n| signed.keep(print(MOST + n), 100.0, 7.0));
        assert_eq!(signed.0.lock().unwrap().len(), MOST);
        assert!(signed.knows(&print(MOST + 49)));
    }
}
