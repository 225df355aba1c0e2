//! The member service.

use crate::{app, promotion::answer, stop::parent_gone};
use mainstay::{call::Cx, prelude::*};
use mainstay_examples::{Held, Level, Member, MemberApi, MemberApiServer, MemberError};

struct Members;

const KNOWN: [(&str, &str, Level); 3] =
    [("ada", "Ada", Level::Gold), ("bob", "Bob", Level::Basic), ("eve", "Eve", Level::Silver)];

impl MemberApi for Members {
    async fn member(&self, id: String) -> Result<Member, MemberError> {
        let (name, level) = known(&id)?;
        Ok(Member { name: name.to_owned(), level, answer: answer(Cx::current()), id })
    }

    async fn hold(&self, id: String, gift: String) -> Result<Held, MemberError> {
        let (name, _) = known(&id)?;
        // Whoever started the process can count: one line for each gift that was put aside.
        println!("held {gift} for {name}");
        Ok(Held { gift, answer: answer(Cx::current()) })
    }
}

fn known(id: &str) -> Result<(&'static str, Level), MemberError> {
    let found = KNOWN.iter().find(|(known, ..)| *known == id).map(|(_, name, level)| (*name, *level));
    found.ok_or_else(|| MemberError::Unknown { id: id.to_owned() })
}

/// Serves until told to end.
pub(crate) async fn run(settings: Vec<String>) -> Result<(), Error> {
    app("member", settings)?.serve(MemberApiServer::new(Members)).run_until(parent_gone()).await
}
