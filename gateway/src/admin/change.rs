//! What operators change at run time. Each change is told in the log, with who wanted it.
//!
//! | request | what |
//! |---|---|
//! | `PUT /lists/{list}/{kind}/{value}` | puts somebody on a list; the body may be `{"ttl": "1h", "reason": "SPAM"}` |
//! | `DELETE /lists/{list}/{kind}/{value}` | takes an entry out that an operator put there |
//! | `PUT /risk/rules/{name}/mode` | trusts a rule so far from now on; the body is as `{"mode": "percentage", "percentage": 20}` |
//! | `DELETE /risk/rules/{name}/mode` | as far as its set says |
//! | `PUT /version` | puts an earlier version of the file into force again; the body is as `{"version": 3}` |
//! | `PUT /chaos` | injects the faults of the file for a while, an hour at most; the body is as `{"seconds": 60}` |
//! | `DELETE /chaos` | injects no more |
//! | `PUT /drain` | ends the gateway, as SIGTERM does |

use super::{Admin, text};
use crate::{
    reload::ReloadError,
    risk::{Change, ListError, Mode, Name, Subject},
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use mainstay::edge::Body;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;

/// The body of a change, in bytes.
const MAX_BODY: usize = 16 * 1024;
/// How long it may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a change is not made.
struct No(StatusCode, String);

impl Admin {
    /// Makes a change that somebody wants who showed that they may.
    pub(super) async fn change(&self, who: &str, request: Request<Body>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let rule = path.strip_prefix("/risk/rules/").and_then(|rest| rest.strip_suffix("/mode"));
        let made = match (path.as_str(), path.strip_prefix("/lists/"), rule) {
            (_, Some(rest), _) => self.change_list(who, rest, request).await,
            (_, _, Some(rule)) => self.change_mode(who, rule, request).await,
            ("/version", ..) => self.roll_back(who, request).await,
            ("/chaos", ..) => self.change_chaos(who, request).await,
            ("/drain", ..) => self.end(who, &request),
            _ => Err(No(StatusCode::NOT_FOUND, format!("nothing can be changed at {path}"))),
        };
        match made {
            Ok(()) => text(StatusCode::OK, "application/json", "{}\n".to_owned()),
            Err(No(code, why)) => text(code, "text/plain", format!("{why}\n")),
        }
    }

    async fn change_list(&self, who: &str, rest: &str, request: Request<Body>) -> Result<(), No> {
        let bad = |why: String| No(StatusCode::BAD_REQUEST, why);
        let mut parts = rest.splitn(3, '/');
        let (Some(list), Some(kind), Some(value)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad("an entry is at /lists/{list}/{kind}/{value}".to_owned()));
        };
        let name = Name::parse(list).ok_or_else(|| bad(format!("`{list}` is none of deny, allow and gray")))?;
        let value = percent_decode_str(value).decode_utf8().map_err(|error| bad(error.to_string()))?;
        let subject = Subject::parse(kind, &value).map_err(bad)?;
        let change = match *request.method() {
            Method::PUT => put(&read(request).await?).map_err(bad)?,
            Method::DELETE => Change::Delete,
            _ => return Err(No(StatusCode::METHOD_NOT_ALLOWED, "entries are PUT and DELETEd".to_owned())),
        };
        let most = self.versions.current.load().config.risk.max_entries as usize;
        self.risk.change((name, subject), change, who, most).await.map_err(|error| {
            let code = match error {
                ListError::Full(_) | ListError::Disk(_) => StatusCode::INSUFFICIENT_STORAGE,
                ListError::OfTheFile => StatusCode::CONFLICT,
                ListError::Unknown => StatusCode::NOT_FOUND,
            };
            No(code, error.to_string())
        })
    }

    async fn change_mode(&self, who: &str, rule: &str, request: Request<Body>) -> Result<(), No> {
        let bad = |why: String| No(StatusCode::BAD_REQUEST, why);
        let rule = percent_decode_str(rule).decode_utf8().map_err(|error| bad(error.to_string()))?.into_owned();
        let wanted = match *request.method() {
            Method::PUT => Some(mode(&read(request).await?).map_err(bad)?),
            Method::DELETE => None,
            _ => return Err(No(StatusCode::METHOD_NOT_ALLOWED, "modes are PUT and DELETEd".to_owned())),
        };
        let done = self.risk.choose(&rule, wanted, who);
        done.then_some(()).ok_or_else(|| No(StatusCode::NOT_FOUND, format!("no rule `{rule}` is in force")))
    }

    async fn roll_back(&self, who: &str, request: Request<Body>) -> Result<(), No> {
        is_put(&request, "a version")?;
        let to = number(&read(request).await?, "version").map_err(|why| No(StatusCode::BAD_REQUEST, why))?;
        let made = self.versions.roll_back(to).map_err(|error| {
            let code = match error {
                ReloadError::NoVersion(_) => StatusCode::NOT_FOUND,
                _ => StatusCode::CONFLICT,
            };
            No(code, error.to_string())
        })?;
        tracing::warn!(who, to, version = made, "an earlier version is in force again");
        Ok(())
    }

    async fn change_chaos(&self, who: &str, request: Request<Body>) -> Result<(), No> {
        match *request.method() {
            Method::PUT => {
                let body = read(request).await?;
                let time = number(&body, "seconds").map_err(|why| No(StatusCode::BAD_REQUEST, why))?;
                if self.versions.current.load().config.chaos.is_empty() {
                    return Err(No(StatusCode::CONFLICT, "the file says no `chaos`".to_owned()));
                }
                tracing::warn!(who, seconds = time, "an operator arms the faults of the file");
                self.chaos.arm(Duration::from_secs(time));
            }
            Method::DELETE => {
                tracing::warn!(who, "an operator disarms the faults of the file");
                self.chaos.disarm();
            }
            _ => return Err(No(StatusCode::METHOD_NOT_ALLOWED, "faults are PUT and DELETEd".to_owned())),
        }
        Ok(())
    }

    fn end(&self, who: &str, request: &Request<Body>) -> Result<(), No> {
        is_put(request, "the drain")?;
        tracing::warn!(who, "an operator ends the gateway");
        self.ending.notify_one();
        Ok(())
    }
}

fn is_put(request: &Request<Body>, what: &str) -> Result<(), No> {
    match *request.method() {
        Method::PUT => Ok(()),
        _ => Err(No(StatusCode::METHOD_NOT_ALLOWED, format!("{what} is PUT"))),
    }
}

/// The one number that a body names.
fn number(body: &[u8], name: &str) -> Result<u64, String> {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let number = said.as_object().filter(|said| said.len() == 1).and_then(|said| said.get(name)?.as_u64());
    number.ok_or_else(|| format!("the body should be as {{\"{name}\": 3}}"))
}

/// What a body says of how far a rule is trusted.
fn mode(body: &[u8]) -> Result<Mode, String> {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let object = said.as_object().ok_or("the body should be as {\"mode\": \"percentage\", \"percentage\": 20}")?;
    if let Some(name) = object.keys().find(|name| !matches!(name.as_str(), "mode" | "percentage")) {
        return Err(format!("`{name}` is not known here: mode, percentage"));
    }
    let share = match &said["percentage"] {
        Value::Null => None,
        share => Some(share.as_u64().and_then(|share| u8::try_from(share).ok()).unwrap_or(u8::MAX)),
    };
    Mode::parse(said["mode"].as_str().unwrap_or_default(), share)
}

/// The body, which is small and comes soon.
async fn read(request: Request<Body>) -> Result<Vec<u8>, No> {
    match timeout(PATIENCE, Limited::new(request.into_body(), MAX_BODY).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes().to_vec()),
        Ok(Err(_)) => Err(No(StatusCode::PAYLOAD_TOO_LARGE, format!("a change has at most {MAX_BODY} bytes"))),
        Err(_) => Err(No(StatusCode::REQUEST_TIMEOUT, "the body did not come".to_owned())),
    }
}

/// What a body says of an entry.
fn put(body: &[u8]) -> Result<Change, String> {
    if body.is_empty() {
        return Ok(Change::Put { ttl: None, reason: None });
    }
    let Ok(Value::Object(said)) = serde_json::from_slice(body) else {
        return Err("the body should be as {\"ttl\": \"1h\", \"reason\": \"SPAM\"}".to_owned());
    };
    if let Some(name) = said.keys().find(|name| !matches!(name.as_str(), "ttl" | "reason")) {
        return Err(format!("`{name}` is not known here: ttl, reason"));
    }
    let text = |name: &str| match said.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() <= 256 => Ok(Some(text.clone())),
        Some(_) => Err(format!("`{name}` should be a text of at most 256 bytes")),
    };
    let ttl = text("ttl")?.map(|ttl| crate::config::ttl(&ttl)).transpose().map_err(|why| format!("ttl: {why}"))?;
    Ok(Change::Put { ttl, reason: text("reason")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_of_modes() {
        for (body, expected) in [
            (r#"{"mode":"enforce"}"#, Ok(Mode::Enforce)),
            (r#"{"mode":"percentage","percentage":20}"#, Ok(Mode::Percentage(20))),
            (r#"{"mode":"percentage","percentage":200}"#, Err("from 0 to 100")),
            (r#"{"mode":"percentage","percentage":"x"}"#, Err("from 0 to 100")),
            (r#"{"mode":"on"}"#, Err("`on` is none of")),
            (r#"{"mod":"on"}"#, Err("`mod` is not known")),
            ("", Err("the body should be")),
        ] {
            match (mode(body.as_bytes()), expected) {
                (Ok(mode), Ok(expected)) => assert_eq!(mode, expected),
                (Err(why), Err(expected)) => assert!(why.contains(expected), "{why}"),
                (said, _) => panic!("{body}: {said:?}"),
            }
        }
    }

    #[test]
    fn bodies_of_versions() {
        assert_eq!(number(br#"{"version": 3}"#, "version"), Ok(3));
        for body in ["", "3", r#"{"version": "3"}"#, r#"{"version": -1}"#, r#"{"version": 3, "force": true}"#] {
            assert!(number(body.as_bytes(), "version").unwrap_err().contains("the body should be"), "{body}");
        }
    }

    #[test]
    fn bodies_of_entries() {
        let said = |body: &str| match put(body.as_bytes()) {
            Ok(Change::Put { ttl, reason }) => Ok((ttl.map(|ttl| ttl.as_secs()), reason)),
            Ok(Change::Delete) => Err("it deletes".to_owned()),
            Err(why) => Err(why),
        };
        assert_eq!(said(""), Ok((None, None)));
        assert_eq!(said(r#"{"ttl":"1h","reason":"SPAM"}"#), Ok((Some(3600), Some("SPAM".to_owned()))));
        for (body, why) in [
            ("[]", "the body should be"),
            (r#"{"tttl":"1h"}"#, "`tttl` is not known"),
            (r#"{"ttl":3600}"#, "`ttl` should be a text"),
            (r#"{"ttl":"1"}"#, "ttl: it should be a time"),
        ] {
            assert!(said(body).unwrap_err().contains(why), "{body}");
        }
    }
}
