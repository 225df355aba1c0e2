//! Describes a message that generated code knows only by its tokens: derived, or any `prost::Message`.
//!
//! `Probe::<T>::new().describe(types)` finds the inherent method when `T` is described, and else the one of the trait
//! [`ProbeOpaque`], which must be in scope. This works where `T` is a concrete type, as in generated code it is.

use std::fmt;
use std::marker::PhantomData;

use crate::schema::{Describe, MessageRef, Types};

/// Asks what is known of `T`.
pub struct Probe<T>(PhantomData<fn() -> T>);

impl<T> fmt::Debug for Probe<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Probe<{}>", std::any::type_name::<T>())
    }
}

impl<T> Probe<T> {
    /// A probe of `T`.
    #[allow(clippy::new_without_default)] // named by generated code only
    pub fn new() -> Probe<T> {
        Probe(PhantomData)
    }
}

impl<T: Describe> Probe<T> {
    /// The description of a derived or well-known message.
    pub fn describe(&self, types: &mut Types) -> MessageRef {
        T::describe(types)
    }
}

/// What [`Probe`] falls back on.
pub trait ProbeOpaque {
    /// A message of which only the name is known.
    fn describe(&self, types: &mut Types) -> MessageRef;
}

impl<T: 'static> ProbeOpaque for Probe<T> {
    fn describe(&self, types: &mut Types) -> MessageRef {
        types.opaque::<T>()
    }
}
