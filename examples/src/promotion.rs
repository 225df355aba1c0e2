//! What is on offer.

use crate::{Answer, Level};
use mainstay::prelude::*;

/// Something cheaper than usual.
#[derive(Message, Clone, Debug, PartialEq)]
pub struct Offer {
    /// Of what.
    pub article: String,
    /// How much cheaper.
    pub percent: u32,
}

/// All that is on offer for somebody.
#[derive(Message, Clone, Debug, PartialEq)]
pub struct Offers {
    /// The best first.
    pub offers: Vec<Offer>,
    /// Who answered, and at which try.
    pub answer: Answer,
}

/// Offers by level.
#[mainstay::service(package = "shop.promotion.v1", lock)]
pub trait PromotionApi {
    /// What a member of this level is offered: the best, at most so many.
    #[rpc(idempotent, timeout = "500ms", retries = 2)]
    async fn offers(&self, level: Level, most: u32) -> Result<Offers>;

    /// The same, now and again from then on, until the caller has seen enough or this process ends.
    async fn watch(&self, level: Level, most: u32) -> Result<Streaming<Offers>>;
}
