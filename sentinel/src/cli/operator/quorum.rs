//! `ckquorum`: whether quorum and majority can be reached.

use std::fmt;

use serde::Serialize;

use super::remote::Remote;
use super::{OrderError, Show, Verdict};

/// Asks the sentinel. No, if they cannot.
pub(super) async fn run(remote: &mut Remote, master: &str, show: Show) -> Result<Verdict, OrderError> {
    let reply = remote.call(&["SENTINEL", "CKQUORUM", master]).await.map_err(super::Failed::from)?;
    let (ok, said) = match (reply.as_error(), reply.as_str()) {
        (Some(said), _) => (false, said.into_owned()),
        (None, said) => (true, said.unwrap_or_default().to_owned()),
    };
    let report = Quorum { master: master.to_owned(), sentinel: remote.at().to_string(), ok, said };
    show.report(&report);
    Ok(if ok { Verdict::Fine } else { Verdict::No })
}

#[derive(Debug, Serialize)]
struct Quorum {
    master: String,
    sentinel: String,
    ok: bool,
    /// The sentinel's sentence.
    said: String,
}

impl fmt::Display for Quorum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.master, self.said)
    }
}
