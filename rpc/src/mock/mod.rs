//! What generated mocks are made of: expectations, the answers they give, and what is said when they are not met.
//!
//! ```
//! # use mainstay::call::Status;
//! #[mainstay::service]
//! trait StockApi {
//!     async fn level(&self, sku: String) -> Result<u32, Status>;
//!     async fn hold(&self, sku: String, qty: u32) -> Result<u32, Status>;
//! }
//!
//! let stock = MockStockApi::new();
//! stock.level().with("a-1").times(2).returns(Ok(3));
//! stock.hold().when(|(_, qty)| *qty < 5).answers(|(_, qty)| Ok(qty));
//!
//! # fn block_on<T>(f: impl Future<Output = T>) -> T { tokio::runtime::Runtime::new().unwrap().block_on(f) }
//! # block_on(async {
//! let client = StockApiClient::in_process(stock.clone());
//! assert_eq!(client.level("a-1".into()).await.unwrap(), 3);
//! assert_eq!(client.level("a-1".into()).await.unwrap(), 3);
//! assert_eq!(client.hold("a-1".into(), 2).await.unwrap(), 2);
//! stock.verify();
//! # });
//! ```
//!
//! The first expectation that fits and is still open answers. One with `times(n)` is open for `n` calls and wants them
//! all; one without wants at least one. A call that nothing fits panics where it is made, since the error type of the
//! trait is the user's and has no room for it; the mock remembers it, so that a panic swallowed by a server is reported
//! in the end too.

mod expect;
mod matches;

pub use expect::Expect;
pub use matches::{Matches, Shown, ShownByDebug, ShownByType};

use crate::call::{CallError, ServiceDef};
use expect::{Answer, Expectation, Expected};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The inside of a generated mock. A clone is the same mock.
#[derive(Clone)]
pub struct Mock(Arc<Inner>);

struct Inner {
    service: &'static ServiceDef,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    expected: Vec<Box<dyn Expected>>,
    unexpected: Vec<String>,
}

impl Mock {
    /// A mock of `service` that expects nothing.
    pub fn new(service: &'static ServiceDef) -> Self {
        Self(Arc::new(Inner { service, state: Mutex::default() }))
    }

    /// Begins an expectation of calls of the method at `index`.
    pub fn expect<A, T, E>(&self, index: usize) -> Expect<'_, A, T, E> {
        Expect::new(self, index)
    }

    /// Answers a call as a client would get it.
    ///
    /// # Panics
    /// When no expectation fits.
    pub fn call<A: 'static, T: 'static, E: 'static>(
        &self,
        index: usize,
        arguments: A,
        shown: &[String],
    ) -> Result<T, CallError<E>> {
        let answer = self.0.pick::<A, T, E>(index, &arguments);
        match answer {
            Some(answer) => answer(arguments),
            None => panic!("{}", self.0.refuse(index, shown)),
        }
    }

    /// Answers a call as an implementation of the trait does.
    ///
    /// # Panics
    /// When no expectation fits, and when the one that does fails with a status, which the trait cannot return.
    pub fn serve<A: 'static, T: 'static, E: 'static>(
        &self,
        index: usize,
        arguments: A,
        shown: &[String],
    ) -> Result<T, E> {
        self.call(index, arguments, shown).map_err(|error| match error {
            CallError::App(error) => error,
            CallError::Call(status) => panic!(
                "Mock{}: `{}` was told to fail with {status:?}, which only a caller can see: inject the mock as Dyn \
                 instead of serving it",
                self.0.service.name,
                self.0.method(index),
            ),
        })
    }

    /// Fails the test if an expectation is not met, or if there was a call that nobody expected.
    ///
    /// # Panics
    /// Then.
    #[track_caller]
    pub fn verify(&self) {
        if let Some(complaint) = self.0.complaint() {
            panic!("{complaint}");
        }
    }
}

impl fmt::Debug for Mock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mock").field(&self.0.service.full_name).finish()
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn method(&self, index: usize) -> &'static str {
        self.service.methods.get(index).map_or("?", |method| method.name)
    }

    /// The answer of the first expectation that fits. It is given after the lock is released: it may call the mock.
    fn pick<A: 'static, T: 'static, E: 'static>(&self, index: usize, arguments: &A) -> Option<Answer<A, T, E>> {
        let mut state = self.state();
        let mut expected = state.expected.iter_mut().filter_map(|e| e.as_any().downcast_mut::<Expectation<A, T, E>>());
        let fitting = expected.find(|e| e.index == index && e.is_open() && (e.fits)(arguments))?;
        fitting.calls += 1;
        Some(Arc::clone(&fitting.answer))
    }

    /// What to say of a call that nothing fits; remembered.
    fn refuse(&self, index: usize, shown: &[String]) -> String {
        let call = format!("{}({})", self.method(index), shown.join(", "));
        let mut state = self.state();
        state.unexpected.push(call.clone());
        let mut text = format!("Mock{}: nobody expected `{call}`", self.service.name);
        let of_method: Vec<_> = state.expected.iter().filter(|e| e.index() == index).collect();
        if of_method.is_empty() {
            text.push_str("; nothing is expected of that method");
        }
        for expected in of_method {
            text.push_str("\n  expected: ");
            text.push_str(&expected.describe(self.method(index)));
        }
        text
    }

    /// Everything that is not as expected.
    fn complaint(&self) -> Option<String> {
        let state = self.state();
        let unmet = state.expected.iter().filter(|e| !e.is_met());
        let unmet = unmet.map(|e| format!("\n  not met: {}", e.describe(self.method(e.index()))));
        let unexpected = state.unexpected.iter().map(|call| format!("\n  nobody expected: `{call}`"));
        let lines: String = unmet.chain(unexpected).collect();
        (!lines.is_empty()).then(|| format!("Mock{}:{lines}", self.service.name))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(complaint) = self.complaint()
            && !std::thread::panicking()
        {
            panic!("{complaint}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{Kind, MethodDef, Status};
    use crate::schema::MessageRef;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    static DEF: ServiceDef = ServiceDef {
        package: "",
        name: "Api",
        full_name: "Api",
        version: None,
        group: None,
        docs: "",
        methods: &[MethodDef::new("Level", Kind::Unary, empty, empty)],
    };

    fn empty(types: &mut crate::schema::Types) -> MessageRef {
        <() as crate::schema::Describe>::describe(types)
    }

    type Args = (String, u32);

    fn call(mock: &Mock, sku: &str, qty: u32) -> Result<u32, CallError<Status>> {
        mock.call::<Args, u32, Status>(0, (sku.into(), qty), &[format!("{sku:?}"), qty.to_string()])
    }

    fn panic_of(f: impl FnOnce()) -> String {
        let payload = catch_unwind(AssertUnwindSafe(f)).unwrap_err();
        payload.downcast_ref::<String>().cloned().unwrap()
    }

    #[test]
    fn the_first_open_expectation_that_fits_answers() {
        let mock = Mock::new(&DEF);
        mock.expect::<Args, u32, Status>(0).with(("a", 1)).times(1).returns(Ok(10));
        mock.expect::<Args, u32, Status>(0).when(|(_, qty)| *qty < 5).answers(|(_, qty)| Ok(qty));
        mock.expect::<Args, u32, Status>(0).fails(Status::new(tonic::Code::Unavailable, "away"));
        assert_eq!(call(&mock, "a", 1).unwrap(), 10);
        assert_eq!(call(&mock, "a", 1).unwrap(), 1);
        let error = call(&mock, "a", 9).unwrap_err();
        assert_eq!(error.status().unwrap().code(), tonic::Code::Unavailable);
        mock.verify();
    }

    #[test]
    fn what_nobody_expected_names_the_call_and_what_was_expected() {
        let mock = Mock::new(&DEF);
        mock.expect::<Args, u32, Status>(0).with(("a", 1)).times(2).returns(Ok(10));
        let text = panic_of(|| drop(call(&mock, "b", 1)));
        assert_eq!(text, "MockApi: nobody expected `Level(\"b\", 1)`\n  expected: `Level(\"a\", 1)` 2 times, seen 0");
        let text = panic_of(|| drop(mock));
        assert_eq!(
            text,
            "MockApi:\n  not met: `Level(\"a\", 1)` 2 times, seen 0\n  nobody expected: `Level(\"b\", 1)`"
        );
    }

    #[test]
    fn an_expectation_without_a_number_wants_one_call_and_takes_many() {
        let mock = Mock::new(&DEF);
        mock.expect::<Args, u32, Status>(0).returns(Ok(1));
        let twin = mock.clone();
        assert!(panic_of(|| mock.verify()).contains("`Level(anything)` at least once, seen 0"));
        for _ in 0..3 {
            call(&twin, "x", 0).unwrap();
        }
        drop(twin);
        mock.verify();
    }

    #[test]
    fn a_served_mock_cannot_fail_as_the_framework() {
        let mock = Mock::new(&DEF);
        mock.expect::<(), u32, Status>(0).with(()).fails(Status::new(tonic::Code::Unavailable, "away"));
        assert!(panic_of(|| drop(mock.serve::<(), u32, Status>(0, (), &[]))).contains("inject the mock"));
    }
}
