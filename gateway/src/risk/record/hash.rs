//! What stands in a record for what is personal: a keyed hash. Without the key nobody can try names one after the other. Pure.

use ring::hmac;
use std::fmt;

/// Hashes under one key.
#[derive(Clone)]
pub(crate) struct Hash(hmac::Key);

impl Hash {
    pub(crate) fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// Sixteen digits of hex.
    pub(crate) fn of(&self, kind: &str, text: &str) -> String {
        let tag = hmac::sign(&self.0, format!("{kind}\n{text}").as_bytes());
        tag.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_has_one_hash_under_one_key() {
        let (one, other) = (Hash::new(b"one key"), Hash::new(b"another"));
        assert_eq!(one.of("account", "joe"), one.of("account", "joe"));
        assert_eq!(one.of("account", "joe").len(), 16);
        let all =
            [one.of("account", "joe"), one.of("device", "joe"), one.of("account", "jo"), other.of("account", "joe")];
        assert!((0..4).all(|at| all[..at].iter().all(|known| *known != all[at])), "{all:?}");
    }
}
