//! The pages that visitors see, put together from the other services.

use crate::{Answer, Held, Level, Offer, Offers};
use mainstay::prelude::*;

/// A page for one member.
#[derive(Message, Clone, Debug, PartialEq)]
pub struct Page {
    /// As `Good day, Ada!`.
    pub greeting: String,
    /// How well the member is known.
    pub level: Level,
    /// What is on offer.
    pub offers: Vec<Offer>,
    /// Who answered for it.
    pub answers: Vec<Answer>,
}

/// What the site's directory heard of one instance.
#[derive(Message, Clone, Debug, PartialEq)]
pub struct Heard {
    /// When, in microseconds since the Unix epoch.
    pub at: u64,
    /// `up`, or why it is gone: `died`, `withdrawn`.
    pub what: String,
    /// The instance's address.
    pub address: String,
}

/// The pages.
#[mainstay::service(package = "shop.site.v1", lock)]
pub trait SiteApi {
    /// The page of a member.
    #[rpc(idempotent, timeout = "2s", retries = 1, get = "/page/{user}")]
    async fn page(&self, user: String) -> Result<Page>;

    /// Puts a gift aside for a member, once.
    #[rpc(timeout = "2s")]
    async fn hold(&self, user: String, gift: String) -> Result<Held>;

    /// What a member is offered, now and again from then on.
    async fn watch(&self, user: String) -> Result<Streaming<Offers>>;

    /// All that the site's directory has heard so far.
    #[rpc(idempotent, get = "/heard")]
    async fn heard(&self) -> Result<Vec<Heard>>;
}
