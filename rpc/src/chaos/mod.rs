//! Faults on purpose, for whoever wants to see what theirs does in trouble: calls that are late, refused or lost.
//!
//! A [`ChaosLayer`] stands where a user's layers stand, above everything of ours, on a server or a client. On a server the callers
//! see what they would see of a provider in trouble, so that their retries, breakers and fallbacks are at work; on a client it is
//! the program above that is tried. It does nothing until its [`ChaosSwitch`] is armed, which ends by itself; it bounds how many calls it
//! holds up; it spares health and reflection, by which probes would restart what is only pretending; and it is not compiled in
//! without the feature `chaos`.
//!
//! | file | what |
//! |---|---|
//! | `injection.rs` | which calls are met, and by what: the decision |
//! | `switch.rs` | whether anything is done at all now |
//! | `layer.rs` | the layer that does it |
//!
//! ```
//! use mainstay::chaos::{ChaosLayer, ChaosSwitch, Injection};
//! use std::time::Duration;
//!
//! let switch = ChaosSwitch::default();
//! let chaos = ChaosLayer::new(switch.clone())
//!     // One call of a hundred is late.
//!     .inject(Injection::of(1.0).delay(Duration::from_millis(200)))
//!     // Calls that ask for it lose their answer.
//!     .inject(Injection::of(100.0).metadata("x-chaos", "reset").reset());
//! // `.layer(chaos)` of an `App` or of a client's builder; and then, from a test or an operator's tool:
//! switch.arm(Duration::from_secs(60));
//! ```

mod injection;
mod layer;
mod switch;

pub use injection::Injection;
pub use layer::{Chaos, ChaosLayer};
pub use switch::ChaosSwitch;
