//! What scenarios are played on: processes that serve, servers that they need, and who calls.
//!
//! | file | what |
//! |---|---|
//! | `load.rs` | calls that are due at their times |
//! | `members.rs` | three members, as processes: on this machine, behind proxies, or on hosts of their own |
//! | `noticed.rs` | what is measured when one of these does badly |
//! | `desk.rs` | providers in this process, and a consumer that never stops |
//! | `server.rs` | a registry's server of either kind |
//! | `shop.rs`, `visitors.rs`, `outsider.rs` | the shop as processes, and who visits it |
//! | `web.rs` | gateways, nginx, and requests |
//! | `programs.rs` | programs of the workspace, as whoever types them runs them |

pub(crate) mod desk;
#[path = "../../../interop/frail/service.rs"]
pub(crate) mod frail;
pub(crate) mod load;
pub(crate) mod members;
pub(crate) mod noticed;
pub(crate) mod outsider;
pub(crate) mod programs;
pub(crate) mod server;
pub(crate) mod shop;
pub(crate) mod visitors;
pub(crate) mod web;
