//! The text of the state file. Pure.
//!
//! Lines of words, quoted as in `sentinel.conf`, so that a person can read them; the first names the version, the last is
//! a checksum of all before it, so that a damaged file is never taken for a promise.
//!
//! ```text
//! mainstay-sentinel-state 1
//! myid 8f0c…
//! current-epoch 7
//! master mymaster 10.0.0.1 6379 3
//! vote 7 1b2c…
//! paused 1764374724123 "ann at host"
//! replica 10.0.0.2 6379
//! peer 1b2c… 10.0.0.9 26379 ours
//! checksum 5a0c11f2
//! ```
//!
//! `vote`, `paused`, `replica` and `peer` belong to the `master` above them.

use std::fmt::Write;

use thiserror::Error;

use crate::core::config::Settings;
use crate::core::durable::{Durable, DurableMaster, DurablePeer, Pause, PeerKind, Vote};
use crate::core::ids::{Address, Epoch, RunId};
use crate::resp::{quote, split_words};

const HEAD: &str = "mainstay-sentinel-state";
const VERSION: &str = "1";

/// What is wrong with a state file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Damage {
    /// It does not begin as one.
    #[error("it is no state file")]
    NotOne,
    /// It was written by a later version of the program.
    #[error("it has version {0}, and this program knows only 1")]
    Version(String),
    /// It is far too long.
    #[error("it is too long")]
    Length,
    /// The checksum is missing: the end of the file is.
    #[error("its end is missing")]
    Truncated,
    /// The checksum differs.
    #[error("its checksum differs")]
    Checksum,
    /// A line has a right checksum and yet no meaning.
    #[error("line {0} cannot be understood")]
    Line(usize),
}

/// The state as text.
pub(super) fn format(state: &Durable) -> String {
    let mut text = format!("{HEAD} {VERSION}\nmyid {}\ncurrent-epoch {}\n", state.me, state.current_epoch);
    let word = |t: &str| quote(t.as_bytes());
    let place = |a: &Address| format!("{} {}", quote(a.host.as_bytes()), a.port);
    for (name, m) in &state.masters {
        let candidate = m.vote.candidate.as_ref().map_or("*", RunId::as_str);
        // Writing to a text cannot fail.
        let _ = writeln!(text, "master {} {} {}", word(name.as_str()), place(&m.address), m.config_epoch);
        let _ = writeln!(text, "vote {} {candidate}", m.vote.epoch);
        if let Some(pause) = &m.paused {
            let _ = writeln!(text, "paused {} {}", pause.at, word(&pause.by));
        }
        for replica in &m.replicas {
            let _ = writeln!(text, "replica {}", place(replica));
        }
        for (id, peer) in &m.peers {
            let _ = writeln!(text, "peer {id} {} {}", place(&peer.address), kind_word(peer.kind));
        }
    }
    let sum = crc32(text.as_bytes());
    let _ = writeln!(text, "checksum {sum:08x}");
    text
}

/// The state in a text. Settings are the defaults.
pub(super) fn parse(bytes: &[u8]) -> Result<Durable, Damage> {
    let text = std::str::from_utf8(bytes).map_err(|_| Damage::Checksum)?;
    let version = text.lines().next().and_then(|l| l.strip_prefix(HEAD)?.strip_prefix(' ')).ok_or(Damage::NotOne)?;
    let body = checked(text)?;
    if version != VERSION {
        return Err(Damage::Version(version.to_owned()));
    }
    let mut state = None;
    let mut last = None;
    for (n, line) in body.lines().enumerate().skip(1) {
        take(line, &mut state, &mut last).ok_or(Damage::Line(n + 1))?;
    }
    state.ok_or(Damage::Truncated)
}

/// The text without its last line, if that is the checksum of it.
fn checked(text: &str) -> Result<&str, Damage> {
    let whole = text.strip_suffix('\n').ok_or(Damage::Truncated)?;
    let at = whole.rfind('\n').ok_or(Damage::Truncated)? + 1;
    let sum = whole[at..].strip_prefix("checksum ").ok_or(Damage::Truncated)?;
    let body = &text[..at];
    if sum == format!("{:08x}", crc32(body.as_bytes())) { Ok(body) } else { Err(Damage::Checksum) }
}

/// Takes one line in; `last` is the name of the master that it may belong to.
fn take(line: &str, state: &mut Option<Durable>, last: &mut Option<crate::core::ids::MasterName>) -> Option<()> {
    let words = split_words(line.as_bytes()).ok()?;
    let words: Vec<String> = words.into_iter().map(String::from_utf8).collect::<Result<_, _>>().ok()?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let &["myid", id] = words.as_slice() {
        *state = Some(Durable::new(id.parse().ok()?));
        return Some(());
    }
    let state = state.as_mut()?;
    let mut master = last.as_ref().and_then(|name| state.masters.get_mut(name));
    match *words.as_slice() {
        ["current-epoch", epoch] => state.current_epoch = Epoch(epoch.parse().ok()?),
        ["master", name, host, port, epoch] => {
            let mut m = DurableMaster::new(Address::new(host, port.parse().ok()?), Settings::new(1));
            m.config_epoch = Epoch(epoch.parse().ok()?);
            *last = Some(name.into());
            state.masters.insert(name.into(), m);
        }
        ["vote", epoch, candidate] => {
            let candidate = if candidate == "*" { None } else { Some(candidate.parse().ok()?) };
            master.as_mut()?.vote = Vote { epoch: Epoch(epoch.parse().ok()?), candidate };
        }
        ["paused", at, by] => {
            master.as_mut()?.paused = Some(Pause { by: by.to_owned(), at: at.parse().ok()? });
        }
        ["replica", host, port] => {
            master.as_mut()?.replicas.insert(Address::new(host, port.parse().ok()?));
        }
        ["peer", id, host, port, kind] => {
            let peer = DurablePeer { address: Address::new(host, port.parse().ok()?), kind: kind_of(kind)? };
            master.as_mut()?.peers.insert(id.parse().ok()?, peer);
        }
        _ => return None,
    }
    Some(())
}

fn kind_word(kind: PeerKind) -> &'static str {
    match kind {
        PeerKind::Unknown => "unknown",
        PeerKind::Ours => "ours",
        PeerKind::Redis => "redis",
    }
}

fn kind_of(word: &str) -> Option<PeerKind> {
    [PeerKind::Unknown, PeerKind::Ours, PeerKind::Redis].into_iter().find(|kind| kind_word(*kind) == word)
}

/// CRC-32 as in zip files. It finds every damage of a single byte, and of any 32 bits in a row.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { (c >> 1) ^ 0xedb8_8320 } else { c >> 1 })
    };
    !bytes.iter().fold(u32::MAX, step)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn full() -> Durable {
        let mut state = Durable::new(RunId::from_number(1));
        state.current_epoch = Epoch(7);
        let mut m = DurableMaster::new(Address::new("10.0.0.1", 6379), Settings::new(1));
        m.config_epoch = Epoch(3);
        m.vote = Vote { epoch: Epoch(7), candidate: Some(RunId::from_number(2)) };
        m.replicas = [Address::new("10.0.0.2", 6379), Address::new("::1", 6380)].into();
        for (n, kind) in [PeerKind::Unknown, PeerKind::Ours, PeerKind::Redis].into_iter().enumerate() {
            let address = Address::new("10.0.0.9", 26379);
            m.peers.insert(RunId::from_number(n as u64 + 2), DurablePeer { address, kind });
        }
        m.paused = Some(Pause { by: "ann \"a\" at host".into(), at: 1_764_374_724_123 });
        state.masters.insert("mymaster".into(), m);
        let odd = DurableMaster::new(Address::new("a \"b\"", 1), Settings::new(1));
        state.masters.insert("with blank\n".into(), odd);
        state
    }

    #[test]
    fn what_is_written_is_read() {
        for state in [full(), Durable::new(RunId::from_number(1))] {
            let text = format(&state);
            assert_eq!(parse(text.as_bytes()).unwrap(), state, "{text}");
        }
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_changed_byte_is_seen_wherever_it_is() {
        let text = format(&full()).into_bytes();
        for at in 0..text.len() {
            for change in [1u8, 0x20, 0x80, 0xff] {
                let mut bytes = text.clone();
                bytes[at] ^= change;
                assert!(parse(&bytes).is_err(), "byte {at} changed by {change:#x}");
            }
        }
    }

    #[test]
    fn a_missing_end_is_seen_wherever_it_begins() {
        let text = format(&full()).into_bytes();
        for length in 0..text.len() {
            assert!(parse(&text[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn each_damage_has_its_name() {
        let with_sum = |body: &str| format!("{body}checksum {:08x}\n", crc32(body.as_bytes()));
        let id = RunId::from_number(1);
        let table = [
            (String::new(), Damage::NotOne),
            ("port 26379\n".into(), Damage::NotOne),
            (with_sum(&format!("{HEAD} 2\nnew\n")), Damage::Version("2".into())),
            (format!("{HEAD} 1\nmyid {id}\n"), Damage::Truncated),
            (with_sum(&format!("{HEAD} 1\n")), Damage::Truncated),
            (format!("{HEAD} 1\nmyid {id}\nchecksum 00000000\n"), Damage::Checksum),
            (with_sum(&format!("{HEAD} 1\nmyid {id}\nreplica h 1\n")), Damage::Line(3)),
            (with_sum(&format!("{HEAD} 1\nmyid {id}\nmaster m h 99999 1\n")), Damage::Line(3)),
            (with_sum(&format!("{HEAD} 1\nmyid short\n")), Damage::Line(2)),
        ];
        for (text, damage) in table {
            assert_eq!(parse(text.as_bytes()), Err(damage), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(parse(&bytes).is_err());
        }

        #[test]
        fn no_text_with_a_right_sum_breaks_it(lines in "(myid|master|vote|paused|peer|replica|[a-z0-9 *\"\\\\]|\n){0,60}") {
            let body = format!("{HEAD} 1\n{lines}\n");
            let _ = parse(format!("{body}checksum {:08x}\n", crc32(body.as_bytes())).as_bytes());
        }
    }
}
