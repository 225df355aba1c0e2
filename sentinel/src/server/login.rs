//! `AUTH` and `HELLO`: who is at the other end, and which version of the protocol is spoken.

use bytes::Bytes;

use super::client;
use super::session::{Session, World};
use super::step::Step;
use crate::resp::{Version, integer};

const WRONG: &str = "WRONGPASS invalid username-password pair or user is disabled.";
const FIRST: &str = "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH \
    <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time";
const NO_PASSWORD: &str = "ERR AUTH <password> called without any password configured for the default user. Are you sure \
    your configuration is correct?";

/// `password`, or `user password`.
pub(super) fn auth(session: &mut Session, words: &[Bytes], world: World<'_>) -> Step {
    let (user, password) = match words {
        [_] if world.port.users.open() => return Step::error(NO_PASSWORD),
        [password] => (&b"default"[..], password),
        [user, password] => (&user[..], password),
        _ => return Step::syntax_error(),
    };
    if login(session, user, password, "AUTH", world) { Step::ok() } else { Step::error(WRONG) }
}

/// `[version [AUTH user password] [SETNAME name]]`. All is checked before the version changes.
pub(super) fn hello(session: &mut Session, words: &[Bytes], world: World<'_>) -> Step {
    let (version, mut rest) = match words.split_first() {
        None => (session.version, words),
        Some((version, rest)) => match integer(version) {
            None => return Step::error("ERR Protocol version is not an integer or out of range"),
            Some(2) => (Version::Resp2, rest),
            Some(3) => (Version::Resp3, rest),
            Some(_) => return Step::error("NOPROTO unsupported protocol version"),
        },
    };
    let (mut credentials, mut name) = (None, None);
    while let Some((option, after)) = rest.split_first() {
        rest = match after {
            [user, password, next @ ..] if option.eq_ignore_ascii_case(b"auth") => {
                credentials = Some((user, password));
                next
            }
            [word, next @ ..] if option.eq_ignore_ascii_case(b"setname") => {
                name = Some(word);
                next
            }
            _ => {
                let option = String::from_utf8_lossy(&option[..option.len().min(128)]);
                return Step::error(format!("ERR Syntax error in HELLO option '{option}'"));
            }
        };
    }
    if let Some((user, password)) = credentials
        && !login(session, user, password, "HELLO", world)
    {
        return Step::error(WRONG);
    }
    if !session.may_work(world.port) {
        return Step::error(FIRST);
    }
    if let Some(Err(text)) = name.map(|name| client::set_name(&session.client, name)) {
        return Step::error(text);
    }
    session.version = version;
    session.client.facts().version = version;
    Step::one(session.greeting())
}

fn login(session: &mut Session, user: &[u8], password: &[u8], by: &str, world: World<'_>) -> bool {
    let user = String::from_utf8_lossy(user);
    if !world.port.users.accepts(&user, password) {
        session.remember_of("auth", by, &user, world);
        return false;
    }
    session.user = user.into_owned();
    session.logged_in = true;
    session.client.facts().user.clone_from(&session.user);
    true
}
