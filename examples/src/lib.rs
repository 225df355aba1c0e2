//! The contracts of the shop: what its services promise each other. One file per service.
//!
//! The `.proto` files beside this package are the locks of their numbers (`lock`): a test fails when a trait and its
//! file differ, and `MAINSTAY_LOCK=write cargo test -p mainstay-examples` writes them again.

mod member;
mod promotion;
mod site;

pub use member::*;
pub use promotion::*;
pub use site::*;
