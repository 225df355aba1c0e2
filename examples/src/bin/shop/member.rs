//! The member service.

use crate::{app, promotion::answer, stop::parent_gone};
use mainstay::{call::Cx, prelude::*};
use mainstay_examples::{Level, Member, MemberApi, MemberApiServer, MemberError};

struct Members;

const KNOWN: [(&str, &str, Level); 3] =
    [("ada", "Ada", Level::Gold), ("bob", "Bob", Level::Basic), ("eve", "Eve", Level::Silver)];

impl MemberApi for Members {
    async fn member(&self, id: String) -> Result<Member, MemberError> {
        match KNOWN.iter().find(|(known, ..)| *known == id) {
            Some((_, name, level)) => {
                Ok(Member { name: (*name).to_owned(), level: *level, answer: answer(Cx::current()), id })
            }
            None => Err(MemberError::Unknown { id }),
        }
    }
}

/// Serves until told to end.
pub(crate) async fn run(settings: Vec<String>) -> Result<(), Error> {
    app("member", settings)?.serve(MemberApiServer::new(Members)).run_until(parent_gone()).await
}
