//! The application around a server: settings, registration, an advertised address, probes, and an end in order.
//!
//! | file | what |
//! |---|---|
//! | `builder.rs` | `App`: what a `main` writes |
//! | `settings.rs`, `text.rs`, `sources.rs` | what can be set; how values are read; who set what |
//! | `advertise.rs` | which address consumers are told |
//! | `stage.rs`, `readiness.rs`, `probes.rs` | where it stands, whether it is ready, and who may ask |
//! | `offering.rs` | what it registers, and what operators change of that |
//! | `running.rs`, `signals.rs` | at work, and the drain |
//! | `operator.rs` | what operators see and may do: the admin port of an application |
//! | `report.rs` | what is printed |

mod advertise;
mod builder;
mod error;
mod offering;
mod operator;
mod probes;
mod readiness;
mod report;
mod running;
mod settings;
mod signals;
mod sources;
mod stage;
mod text;

pub use advertise::{Advertised, Rule};
pub use builder::App;
pub use error::{AppError, Problems};
pub use readiness::Readiness;
pub use running::RunningApp;
pub use stage::Stage;
