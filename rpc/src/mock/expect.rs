//! One expectation: put together by a test, then kept by the mock whatever its types.

use super::{Matches, Mock};
use crate::call::{CallError, Status};
use std::{
    any::Any,
    fmt,
    marker::PhantomData,
    sync::{Arc, Mutex, PoisonError},
};

/// Gives an answer. Shared, so that no lock is held while it does.
pub(super) type Answer<A, T, E> = Arc<dyn Fn(A) -> Result<T, CallError<E>> + Send + Sync>;
type Fits<A> = Box<dyn Fn(&A) -> bool + Send + Sync>;

/// An expectation that is being put together: `A` are the arguments of the call, as a tuple; `T` and `E` the answer.
#[must_use = "an expectation counts when it has an answer: `returns`, `answers` or `fails`"]
pub struct Expect<'m, A, T, E> {
    mock: &'m Mock,
    index: usize,
    wanted: Option<String>,
    fits: Fits<A>,
    times: Option<usize>,
    answer: PhantomData<fn() -> Result<T, E>>,
}

impl<'m, A, T, E> Expect<'m, A, T, E> {
    pub(super) fn new(mock: &'m Mock, index: usize) -> Self {
        Self { mock, index, wanted: None, fits: Box::new(|_| true), times: None, answer: PhantomData }
    }
}

impl<A: 'static, T: 'static, E: 'static> Expect<'_, A, T, E> {
    /// Only calls with these arguments: `with("a-1")`, and a tuple if there are several: `with(("a-1", 2))`.
    pub fn with(mut self, wanted: impl Matches<A>) -> Self {
        self.wanted = Some(wanted.show());
        self.fits = Box::new(move |arguments| wanted.matches(arguments));
        self
    }

    /// Only calls whose arguments, a tuple of them, are as `fits` says.
    pub fn when(mut self, fits: impl Fn(&A) -> bool + Send + Sync + 'static) -> Self {
        self.wanted = Some("when …".to_owned());
        self.fits = Box::new(fits);
        self
    }

    /// Exactly `calls` of them, instead of at least one.
    pub fn times(mut self, calls: usize) -> Self {
        self.times = Some(calls);
        self
    }

    /// Answers each call with a clone of `outcome`.
    pub fn returns(self, outcome: Result<T, E>)
    where
        T: Clone + Send,
        E: Clone + Send,
    {
        let outcome = Mutex::new(outcome);
        self.answer(move |_| outcome.lock().unwrap_or_else(PoisonError::into_inner).clone().map_err(CallError::App));
    }

    /// Answers each call with what `answer` makes of its arguments, which come as a tuple: `|(sku, qty)| …`.
    pub fn answers(self, answer: impl Fn(A) -> Result<T, E> + Send + Sync + 'static) {
        self.answer(move |arguments| answer(arguments).map_err(CallError::App));
    }

    /// Fails each call as the framework does. Only for a mock that is injected, not served.
    pub fn fails(self, status: Status) {
        self.answer(move |_| Err(CallError::Call(status.clone())));
    }

    fn answer(self, answer: impl Fn(A) -> Result<T, CallError<E>> + Send + Sync + 'static) {
        let Self { mock, index, wanted, fits, times, .. } = self;
        let expectation = Expectation { index, wanted, fits, times, calls: 0, answer: Arc::new(answer) };
        mock.0.state().expected.push(Box::new(expectation));
    }
}

impl<A, T, E> fmt::Debug for Expect<'_, A, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expect").field("method", &self.mock.0.method(self.index)).finish_non_exhaustive()
    }
}

/// An expectation with an answer.
pub(super) struct Expectation<A, T, E> {
    pub(super) index: usize,
    wanted: Option<String>,
    pub(super) fits: Fits<A>,
    times: Option<usize>,
    pub(super) calls: usize,
    pub(super) answer: Answer<A, T, E>,
}

impl<A, T, E> Expectation<A, T, E> {
    /// It can answer another call.
    pub(super) fn is_open(&self) -> bool {
        self.times.is_none_or(|times| self.calls < times)
    }
}

/// An expectation whatever its types.
pub(super) trait Expected: Send {
    fn as_any(&mut self) -> &mut dyn Any;
    fn index(&self) -> usize;
    fn is_met(&self) -> bool;
    fn describe(&self, method: &str) -> String;
}

impl<A: 'static, T: 'static, E: 'static> Expected for Expectation<A, T, E> {
    fn as_any(&mut self) -> &mut dyn Any {
        self
    }

    fn index(&self) -> usize {
        self.index
    }

    fn is_met(&self) -> bool {
        self.times.map_or(self.calls > 0, |times| self.calls == times)
    }

    fn describe(&self, method: &str) -> String {
        let wanted = self.wanted.as_deref().unwrap_or("anything");
        let times = self.times.map_or("at least once".to_owned(), |times| format!("{times} times"));
        format!("`{method}({wanted})` {times}, seen {}", self.calls)
    }
}
