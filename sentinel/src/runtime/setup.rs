//! What a sentinel begins with, what others need of its loop, and how it ends.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::broadcast;

use super::{Clock, Conf};
use crate::core::config::Secret;
use crate::core::durable::Durable;
use crate::metrics::Meters;
use crate::request::{Published, Requests};
use crate::store::Store;
use crate::tls::Connector;
use crate::view::Views;

/// What a sentinel begins with.
#[derive(Debug)]
#[non_exhaustive]
pub struct Setup {
    /// What it knows and has promised.
    pub durable: Durable,
    /// Where that is kept.
    pub store: Store,
    /// `sentinel.conf`, or its copy, if it is to be rewritten.
    pub conf: Option<Conf>,
    /// The directory of its history, if one is kept.
    pub history: Option<PathBuf>,
    /// The port it listens at, told to others.
    pub port: u16,
    /// Its own password: also tried at peers that have none of their own set.
    pub requirepass: Option<Secret>,
    /// Encrypts links.
    pub tls: Option<Connector>,
    /// All the randomness it gets.
    pub seed: u64,
}

impl Setup {
    /// A set-up without a configuration file.
    pub fn new(durable: Durable, store: Store, port: u16, seed: u64) -> Setup {
        Setup { durable, store, conf: None, history: None, port, requirepass: None, tls: None, seed }
    }
}

/// How a sentinel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was told to.
    Told,
    /// `SENTINEL SIMULATE-FAILURE` wants it to look like a crash.
    Simulated,
}

/// What the port needs of the loop.
#[derive(Debug, Clone)]
pub struct Handles {
    /// The picture.
    pub views: Views,
    /// Where requests go.
    pub requests: Requests,
    /// Where notices come from: subscribe to it.
    pub published: broadcast::Sender<Published>,
    /// The clock of the picture.
    pub clock: Clock,
    /// What is counted and measured.
    pub meters: Arc<Meters>,
}
