//! What a provider leaves in the directory: the name and the content of its record file. Pure.
//!
//! `<application>.<pid>.<token>.<generation>.json`: the first two are for people who list the directory, the token
//! tells processes apart, the generation counts the records of one process. A name is used once, so that removing a
//! dead record can never hit a living one. Half-written records are called `.….tmp` and are nobody's record yet.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{error::RegistryError, instance::Registration};

/// Largest record that is written or read, in bytes.
pub const MAX_RECORD: usize = 256 * 1024;
/// Most record files of one directory that are looked at.
pub const MAX_FILES: usize = 10_000;

/// The content of a record file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecordFile {
    /// Version of the format. A reader refuses a higher one.
    format: u32,
    /// Everything the process offers.
    pub(crate) registrations: Vec<Registration>,
}

const FORMAT: u32 = 1;

impl RecordFile {
    pub(crate) fn encode<'a>(
        registrations: impl Iterator<Item = &'a Arc<Registration>>,
    ) -> Result<Vec<u8>, RegistryError> {
        let registrations = registrations.map(|registration| Registration::clone(registration)).collect();
        let bytes = serde_json::to_vec(&Self { format: FORMAT, registrations }).map_err(|error| {
            RegistryError::Unavailable { attempted: "writing the record as JSON".to_owned(), why: error.to_string() }
        })?;
        if bytes.len() > MAX_RECORD {
            let what = "the record of this process".to_owned();
            return Err(RegistryError::TooLarge { what, size: bytes.len(), limit: MAX_RECORD });
        }
        Ok(bytes)
    }

    /// Reads a record; the error says why it is none.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let record: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if record.format > FORMAT {
            return Err(format!("it has format {}, this version reads up to {FORMAT}", record.format));
        }
        Ok(record)
    }
}

/// The name of a process's record of one generation.
pub(crate) fn record_name(application: &str, pid: u32, token: u64, generation: u64) -> String {
    let application: String =
        application.chars().take(40).map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    format!("{application}.{pid}.{token:016x}.{generation}.json")
}

/// The name under which a record is written before it is one.
pub(crate) fn temporary_name(token: u64, attempt: u64) -> String {
    format!(".{token:016x}.{attempt:016x}.tmp")
}

/// The generation in the name of a record; `None` for names that are not ours.
pub(crate) fn generation_of(name: &str) -> Option<u64> {
    let mut parts = name.strip_suffix(".json")?.rsplit('.');
    let generation = parts.next()?.parse().ok()?;
    let token = parts.next()?;
    let well_formed = token.len() == 16 && token.bytes().all(|byte| byte.is_ascii_hexdigit());
    (well_formed && parts.next()?.parse::<u32>().is_ok() && parts.count() == 1).then_some(generation)
}

/// The process in the name of a record.
pub(crate) fn pid_of(name: &str) -> Option<u32> {
    name.split('.').nth(1)?.parse().ok()
}

/// Whether a name is one that [`temporary_name`] makes.
pub(crate) fn is_temporary(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".tmp")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Instance, ServiceKey};

    #[test]
    fn names_tell_records_from_everything_else() {
        assert_eq!(generation_of(&record_name("stock", 7, 1, 42)), Some(42));
        assert_eq!(pid_of(&record_name("st.ock", 7, 1, 42)), Some(7));
        assert_eq!(generation_of(&record_name("../ä b.c", 7, u64::MAX, 0)), Some(0));
        assert!(!record_name("../x", 7, 1, 1).contains('/'));
        for foreign in ["README", "x.json", "a.b.c.d.json", "a.1.0123456789abcdef.1.json.bak", &temporary_name(1, 2)] {
            assert_eq!(generation_of(foreign), None, "{foreign}");
        }
        assert!(is_temporary(&temporary_name(1, 2)));
    }

    #[test]
    fn what_is_too_large_is_refused_with_figures() {
        let instance = Instance::new("a", "h", 1).with_label("x", "y".repeat(MAX_RECORD));
        let error = RecordFile::encode([Arc::new(Registration::new(instance, []))].iter()).unwrap_err();
        assert!(error.to_string().contains("at most 262144"), "{error}");
    }

    #[test]
    fn a_record_of_a_later_format_is_refused_by_name() {
        let error = RecordFile::decode(br#"{"format":2,"registrations":[]}"#).unwrap_err();
        assert!(error.contains("format 2"), "{error}");
    }

    proptest! {
        #[test]
        fn any_name_is_taken_or_left(name in ".{0,60}") {
            let _ = generation_of(&name);
        }

        #[test]
        fn any_bytes_are_a_record_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = RecordFile::decode(&bytes);
        }

        #[test]
        fn records_read_back(weight: u32, label in ".{0,20}", port: u16) {
            let instance = Instance::new("a", "h", port).with_weight(weight).with_label("l", label);
            let registration = Arc::new(Registration::new(instance, [ServiceKey::new("a.B")]));
            let bytes = RecordFile::encode([registration.clone()].iter()).unwrap();
            prop_assert_eq!(RecordFile::decode(&bytes).unwrap().registrations, vec![Registration::clone(&registration)]);
        }
    }
}
