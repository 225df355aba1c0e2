//! Who buys here.

use mainstay::prelude::*;

/// How well somebody is known.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Anybody.
    #[default]
    Basic,
    /// Came back.
    Silver,
    /// Stays.
    Gold,
}

/// A member of the shop.
#[derive(Message, Clone, Debug, PartialEq)]
pub struct Member {
    /// Who it is.
    pub id: String,
    /// How to greet.
    pub name: String,
    /// How well known.
    pub level: Level,
    /// Who answered, and at which try: the demo shows it.
    pub answer: Answer,
}

/// Who answered a call.
#[derive(Message, Clone, Debug, PartialEq)]
pub struct Answer {
    /// The process that answered, by its id.
    pub by: String,
    /// How often the call had been sent before.
    pub retries: u32,
}

/// Something that was put aside for a member.
#[derive(Message, Clone, Debug, PartialEq)]
pub struct Held {
    /// What, as the caller named it.
    pub gift: String,
    /// Who put it aside, and at which try.
    pub answer: Answer,
}

/// Why there is no such member.
#[derive(ServiceError, Clone, Debug, PartialEq, Eq)]
pub enum MemberError {
    /// Never heard of.
    #[error(code = NotFound, "no member {id}")]
    Unknown {
        /// Who was asked for.
        id: String,
    },
}

/// Members by id.
#[mainstay::service(package = "shop.member.v1", lock)]
pub trait MemberApi {
    /// One member.
    #[rpc(idempotent, timeout = "500ms", retries = 2, get = "/v1/member/{id}")]
    async fn member(&self, id: String) -> Result<Member, MemberError>;

    /// Puts a gift aside for a member. Asked twice, it puts two aside: so it is not sent again once it may have arrived.
    #[rpc(timeout = "500ms")]
    async fn hold(&self, id: String, gift: String) -> Result<Held, MemberError>;
}
