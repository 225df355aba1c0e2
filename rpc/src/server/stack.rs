//! The server stack, top to bottom. It is written here and nowhere else.
//!
//! 1. **Trace** is on top: the span holds whatever happens to the call here.
//! 2. **Access log**, where there is one, sees the call's place in the trace, and every refusal below.
//! 3. **Metrics** counts what the caller is told, refusals included.
//! 4. **Deadline** ends work that nobody waits for any more, before it takes a place of anything below.
//! 5. **Concurrency**, where it is set, holds calls back, and sheds them when its line does not empty: a server in trouble
//!    refuses before it spends on finding out who asks.
//! 6. **Auth**, where it is set, finds out who calls: under what sheds, since looking at a proof costs, and over the rates,
//!    which may be of each caller.
//! 7. **Rate**, where one is set, is the last gate before the handler.
//! 8. **Dispatch** finds the handler and runs it.
//!
//! 5 to 7 are gates: a server that sets none of them has none, and its calls pay for none (`layer/gates.rs`).
//!
//! Limits and Auth spare what is the server's own, health, reflection, and what Dubbo's consumers ask an application before they
//! call it: a server that is full must still say that it lives and what it offers, and a probe has no proof to show.

use super::Dispatch;
use crate::{
    access::{AccessLog, Logs, LogsLayer},
    auth::{Auth, AuthLayer},
    call::{Channel, Invocation},
    dubbo,
    layer::{Deadline, DeadlineLayer, Gates, Metrics, MetricsLayer, Side, Trace, TraceLayer},
    policy::{LimitLayers, Limits},
};
use std::sync::Arc;
use tower_layer::Layer;

/// The default stack of a server.
pub(crate) type ServerStack = Trace<Logs<Metrics<Deadline<Gates<Dispatch, Channel>>>>>;

/// What the stack is set up with.
#[derive(Clone, Debug)]
pub(crate) struct Around {
    pub(crate) limits: LimitLayers,
    pub(crate) auth: Option<Auth>,
    pub(crate) access: Option<AccessLog>,
}

impl Default for Around {
    fn default() -> Self {
        Self { limits: Limits::default().layers(), auth: None, access: None }
    }
}

/// Builds the stack.
pub(crate) fn stack(dispatch: Dispatch, around: Around) -> ServerStack {
    let Around { limits, auth, access } = around;
    let set = limits.are_set() || auth.is_some();
    let gates = Gates::new(dispatch, set, |dispatch| {
        let rate = limits.rate.sparing(of_the_server).layer(dispatch);
        let auth = AuthLayer::maybe(auth.map(Arc::new)).sparing(of_the_server).layer(rate);
        Channel::of_stack(limits.concurrency.sparing(of_the_server).layer(auth))
    });
    let deadline = DeadlineLayer::server().layer(gates);
    let metrics = MetricsLayer::new(Side::Server).layer(deadline);
    let access = LogsLayer::maybe(access).layer(metrics);
    TraceLayer::new(Side::Server).layer(access)
}

/// A call of health, of reflection, or of what Dubbo's consumers ask an application before they call it.
fn of_the_server(call: &Invocation) -> bool {
    call.method.service().starts_with("grpc.") || call.method.service() == dubbo::metadata::NAME
}
