//! The fields of a service's error as text, in the metadata of its `ErrorInfo`.

use super::ErrorInfo;
use std::{fmt::Display, str::FromStr};

/// What a field of a service's error may be. `Shape` tells the two cases apart and is inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a service error",
    label = "does not travel as text",
    note = "the fields of an error travel as text: implement `Display` and `FromStr`, or make it an `Option` of such a type"
)]
pub trait ErrorField<Shape>: Sized {
    /// Adds the field to the metadata.
    fn put(&self, key: &str, info: &mut ErrorInfo);

    /// Reads the field; `None` when it is missing or cannot be read, as that of another version may be.
    fn take(key: &str, info: &ErrorInfo) -> Option<Self>;
}

/// A value that is always there.
#[derive(Debug)]
pub enum Given {}

/// A value that may be missing.
#[derive(Debug)]
pub enum Maybe {}

impl<T: Display + FromStr> ErrorField<Given> for T {
    fn put(&self, key: &str, info: &mut ErrorInfo) {
        info.metadata.insert(key.to_owned(), self.to_string());
    }

    fn take(key: &str, info: &ErrorInfo) -> Option<T> {
        info.metadata.get(key)?.parse().ok()
    }
}

impl<T: Display + FromStr> ErrorField<Maybe> for Option<T> {
    fn put(&self, key: &str, info: &mut ErrorInfo) {
        if let Some(value) = self {
            value.put(key, info);
        }
    }

    fn take(key: &str, info: &ErrorInfo) -> Option<Option<T>> {
        match info.metadata.get(key) {
            Some(text) => text.parse().ok().map(Some),
            None => Some(None),
        }
    }
}
