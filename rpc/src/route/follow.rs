//! Follows keys in the config centre, for a client or for a provider, and tells what is in force.

use super::{
    RuleState,
    book::{Book, Rules},
};
use futures_util::future::select_all;
use mainstay_registry::config::{ConfigCenter, ConfigSight, ConfigWatch};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::timeout;

/// How long a client or a provider waits, at its beginning, for a centre to say what the rules are.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where rules are kept.
#[derive(Clone, Debug, Default)]
pub(crate) enum RulesFrom {
    /// Beside the registry, if it keeps any.
    #[default]
    Registry,
    Center(Arc<dyn ConfigCenter>),
    Nowhere,
}

impl RulesFrom {
    /// The centre, or none; `beside` is the registry's.
    pub(crate) fn center(self, beside: Option<Arc<dyn ConfigCenter>>) -> Option<Arc<dyn ConfigCenter>> {
        match self {
            Self::Registry => beside,
            Self::Center(center) => Some(center),
            Self::Nowhere => None,
        }
    }
}

impl<C: Into<Option<Arc<dyn ConfigCenter>>>> From<C> for RulesFrom {
    fn from(center: C) -> Self {
        center.into().map_or(Self::Nowhere, Self::Center)
    }
}

/// How it stands with the rules that somebody follows, for those who ask.
#[derive(Clone, Debug, Default)]
pub(crate) struct RuleBoard(Arc<Mutex<Vec<RuleState>>>);

impl RuleBoard {
    pub(crate) fn states(&self) -> Vec<RuleState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, states: Vec<RuleState>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = states;
    }
}

/// The rules of a book, as they change.
#[derive(Debug)]
pub(crate) struct Following {
    book: Book,
    /// Of each key; `None` when its centre is gone.
    watches: Vec<Option<ConfigWatch>>,
    heard: Vec<bool>,
    board: RuleBoard,
}

impl Following {
    /// Begins to follow. Needs a runtime.
    pub(crate) fn new(center: &dyn ConfigCenter, book: Book, board: RuleBoard) -> Self {
        let watches: Vec<_> = book.keys().map(|key| Some(center.watch(key))).collect();
        board.set(book.states());
        Self { heard: vec![false; watches.len()], book, watches, board }
    }

    /// The rules at the beginning: once something is known of every key, or the patience is over.
    pub(crate) async fn first(&mut self) -> Rules {
        let all = async { while self.heard.contains(&false) && self.next().await {} };
        if timeout(PATIENCE, all).await.is_err() {
            tracing::warn!("the config centre has not said yet which rules there are: going on without");
        }
        self.book.rules()
    }

    /// The rules after the next change. Waits for ever when there will be none. Cancel-safe.
    pub(crate) async fn changed(&mut self) -> Rules {
        if !self.next().await {
            std::future::pending::<()>().await;
        }
        self.book.rules()
    }

    /// Hears of one key; `false` when no centre is left.
    async fn next(&mut self) -> bool {
        loop {
            let waiting = self.watches.iter_mut().enumerate().filter_map(|(index, watch)| {
                let watch = watch.as_mut()?;
                Some(Box::pin(async move { (index, watch.next().await) }))
            });
            let waiting: Vec<_> = waiting.collect();
            if waiting.is_empty() {
                return false;
            }
            let ((index, sight), ..) = select_all(waiting).await;
            self.heard[index] = true;
            match sight {
                Some(sight) => {
                    self.hear(index, &sight);
                    return true;
                }
                None => self.watches[index] = None,
            }
        }
    }

    fn hear(&mut self, index: usize, sight: &ConfigSight) {
        let state = self.book.hear(index, sight);
        match &state.refused {
            Some(error) => {
                tracing::warn!(key = state.key, %error, "a rule that cannot be used: what was in force stays")
            }
            None => tracing::debug!(key = state.key, state = %state, "a rule was read"),
        }
        for note in &state.notes {
            tracing::warn!(key = state.key, %note, "a rule says what cannot be done");
        }
    }

    /// Tells those who ask what was heard. It is for whoever follows to say so once it is in force: who reads that a rule is, and
    /// calls at once, must find it so.
    pub(crate) fn tell(&self) {
        self.board.set(self.book.states());
    }
}
