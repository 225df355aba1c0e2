//! For people and tools: what a registry lists, with who put it there, and whether it is as it should be.
//!
//! Consumers do not need it: they follow a lookup, which costs what changes. This reads everything, once.

use std::{fmt, future::Future, pin::Pin};

use crate::{error::RegistryError, instance::Instance, key::ServiceKey};

/// What an inspection answers, later.
pub type Inspection<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A registry that can be looked into as a whole.
pub trait Inspect: Send + Sync + fmt::Debug {
    /// Everything that is listed now, read with the registry's own eyes; of one `interface` only, if one is given. Bounded by
    /// what the registry itself can hold.
    ///
    /// # Errors
    /// [`RegistryError::Unavailable`] and its kin when the registry does not answer, each question within 5 s.
    fn list<'a>(&'a self, interface: Option<&'a str>) -> Inspection<'a, Result<Listing, RegistryError>>;

    /// What can be checked of the registry and of the way to it, each within 5 s. Changes nothing.
    fn examine(&self) -> Inspection<'_, Vec<Finding>>;
}

/// What a registry lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Each instance under each key that it offers, ordered by key and id. One that is found at both of Dubbo's levels is
    /// there twice.
    pub offers: Vec<Offer>,
    /// What is not taken: which record, and why.
    pub skipped: Vec<(String, String)>,
}

/// One instance that offers one service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Offer {
    /// The service. The interface `*` stands for whatever is asked.
    pub key: ServiceKey,
    /// Who offers it.
    pub instance: Instance,
    /// At which of Dubbo's levels it was found, where there are such.
    pub level: Option<Level>,
    /// Who put it there, in the registry's words: a process, a session.
    pub owner: Option<String>,
}

/// One of Dubbo's two ways to write a provider down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// A record per interface and provider.
    Interface,
    /// A record per process, and a document of what it offers.
    Application,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was checked; a stable word.
    pub about: &'static str,
    /// How it is.
    pub outcome: Outcome,
    /// What was found, and what to do if it is not well.
    pub text: String,
}

/// How what was checked is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// As it should be.
    Fine,
    /// It works, and may not do for long or for all.
    Doubtful,
    /// It does not work.
    Bad,
}

impl Listing {
    /// A listing in order.
    pub fn new(mut offers: Vec<Offer>, skipped: Vec<(String, String)>) -> Self {
        offers.sort_by(|a, b| (&a.key, &a.instance.id, a.level).cmp(&(&b.key, &b.instance.id, b.level)));
        Self { offers, skipped }
    }
}

impl Offer {
    /// `instance` offers `key`; nothing else is known.
    pub fn new(key: ServiceKey, instance: Instance) -> Self {
        Self { key, instance, level: None, owner: None }
    }

    /// The same, found at this level.
    #[must_use]
    pub fn at(mut self, level: Level) -> Self {
        self.level = Some(level);
        self
    }

    /// The same, put there by this owner.
    #[must_use]
    pub fn by(mut self, owner: impl Into<String>) -> Self {
        self.owner = Some(owner.into());
        self
    }
}

impl Level {
    /// Stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Interface => "interface",
            Self::Application => "application",
        }
    }
}

impl Finding {
    /// It is as it should be.
    pub fn fine(about: &'static str, text: impl Into<String>) -> Self {
        Self { about, outcome: Outcome::Fine, text: text.into() }
    }

    /// It works, and may not do for long or for all.
    pub fn doubtful(about: &'static str, text: impl Into<String>) -> Self {
        Self { about, outcome: Outcome::Doubtful, text: text.into() }
    }

    /// It does not work.
    pub fn bad(about: &'static str, text: impl Into<String>) -> Self {
        Self { about, outcome: Outcome::Bad, text: text.into() }
    }
}

impl Outcome {
    /// Stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Doubtful => "doubtful",
            Self::Bad => "bad",
        }
    }
}
