//! A hash of what happened. Pure.

use std::hash::Hasher;

use crate::rng::mix;

/// A hash that is the same in every build, so that runs can be compared.
#[derive(Clone, Debug, Default)]
pub struct Digest(u64);

impl Hasher for Digest {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, n: u8) {
        self.write_u64(n.into());
    }

    fn write_u16(&mut self, n: u16) {
        self.write_u64(n.into());
    }

    fn write_u32(&mut self, n: u32) {
        self.write_u64(n.into());
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = mix(self.0.rotate_left(5) ^ n);
    }

    fn write_usize(&mut self, n: usize) {
        self.write_u64(n as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_tells_orders_apart() {
        let hash = |words: &[&str]| {
            let mut digest = Digest::default();
            words.iter().for_each(|word| digest.write(word.as_bytes()));
            digest.finish()
        };
        assert_eq!(hash(&["registry", "away"]), hash(&["registry", "away"]));
        assert_ne!(hash(&["registry", "away"]), hash(&["away", "registry"]));
    }
}
