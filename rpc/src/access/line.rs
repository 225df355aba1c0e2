//! One line of the access log. Pure: the time is an argument.

use crate::{
    call::{Code, Invocation, Method, Reason, Status},
    layer::shouted,
};
use serde_json::json;
use std::{fmt::Write, time::Duration};

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// An object in a line.
    Json,
    /// Words for people.
    Text,
}

impl Form {
    /// As settings say it.
    #[cfg(feature = "server")]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Text => "text",
        }
    }
}

/// What is known of a call when it begins.
#[derive(Debug)]
pub(super) struct Begun {
    method: Method,
    /// The application that calls, as it says.
    consumer: Option<String>,
    trace: Option<String>,
}

/// The longest name of an application that is written.
const LONGEST: usize = 100;

impl Begun {
    pub(super) fn of(call: &Invocation) -> Self {
        let text = |name| call.metadata.get(name).and_then(|value| value.to_str().ok());
        let consumer = text("tri-consumer-appname").map(|name| name.chars().take(LONGEST).collect());
        // `00-TRACE-SPAN-FLAGS`, which the layer above has checked.
        let trace = text("traceparent").and_then(|parent| parent.split('-').nth(1)).map(str::to_owned);
        Self { method: call.method.clone(), consumer, trace }
    }

    /// The line of a call that ended so at `at` since the epoch, after `took`.
    pub(super) fn ended(&self, outcome: Result<(), &Status>, at: Duration, took: Duration, form: Form) -> String {
        let code = outcome.map_or_else(Status::code, |()| Code::Ok);
        self.line(code, outcome.err().map(Status::reason), at, took, form)
    }

    /// The line of a call whose caller went away.
    pub(super) fn given_up(&self, at: Duration, took: Duration, form: Form) -> String {
        self.line(Code::Cancelled, Some(Reason::Cancelled), at, took, form)
    }

    fn line(&self, code: Code, reason: Option<Reason>, at: Duration, took: Duration, form: Form) -> String {
        let (at, code, reason) = (rfc3339(at), shouted(code), reason.map(Reason::as_str));
        let took = took.as_micros() as f64 / 1000.0;
        match form {
            Form::Json => {
                let line = json!({
                    "at": at, "service": self.method.service(), "method": self.method.name(), "code": code,
                    "reason": reason, "took_ms": took, "consumer": self.consumer, "trace_id": self.trace,
                });
                format!("{line}\n")
            }
            Form::Text => {
                let mut line = format!("{at} {} {code}", self.method.path());
                let said =
                    [("reason", reason), ("consumer", self.consumer.as_deref()), ("trace", self.trace.as_deref())];
                let _ = write!(line, " {took:.3}ms");
                for (name, value) in said.into_iter().filter_map(|(name, value)| Some((name, value?))) {
                    let _ = write!(line, " {name}={}", value.replace(|c: char| c.is_control() || c == ' ', "_"));
                }
                line.push('\n');
                line
            }
        }
    }
}

/// A moment since the epoch as `2026-11-29T06:30:00.250Z`.
pub fn rfc3339(at: Duration) -> String {
    let (seconds, days) = (at.as_secs() % 86_400, at.as_secs() / 86_400);
    // Days since 1 March of the year 0: leap days come last in such years, and eras of 400 years are alike.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", at.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{call::Kind, layer::testing::call};

    const AT: Duration = Duration::from_millis(1_795_933_800_250);

    fn begun() -> Begun {
        let mut call = call(Kind::Unary, false);
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let personal = [("authorization", "Bearer sesame"), ("x-user", "joe@example.org")];
        for (name, value) in [("traceparent", trace), ("tri-consumer-appname", "site")].into_iter().chain(personal) {
            call.metadata.insert(name, value.parse().unwrap());
        }
        Begun::of(&call)
    }

    #[test]
    fn moments() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_line_says_what_was_called_and_how_it_ended_and_nothing_personal() {
        let (begun, took) = (begun(), Duration::from_micros(1_500));
        let status = Status::because(Reason::NotAllowed, Code::PermissionDenied, "joe may not");
        let line = begun.ended(Err(&status), AT, took, Form::Json);
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            read,
            json!({
                "at": "2026-11-29T06:30:00.250Z", "service": "a.B", "method": "C", "code": "PERMISSION_DENIED",
                "reason": "NOT_ALLOWED", "took_ms": 1.5, "consumer": "site",
                "trace_id": "0af7651916cd43dd8448eb211c80319c",
            })
        );
        assert_eq!(
            begun.ended(Ok(()), AT, took, Form::Text),
            "2026-11-29T06:30:00.250Z /a.B/C OK 1.500ms consumer=site trace=0af7651916cd43dd8448eb211c80319c\n"
        );
        assert!(begun.given_up(AT, took, Form::Text).contains("/a.B/C CANCELLED 1.500ms reason=CANCELLED"));
        let all = line + &begun.ended(Err(&status), AT, took, Form::Text);
        assert!(["joe", "sesame"].iter().all(|personal| !all.contains(personal)), "{all}");
    }

    #[test]
    fn what_a_peer_says_makes_no_second_line() {
        let mut call = call(Kind::Unary, false);
        call.metadata.insert("tri-consumer-appname", "a b\tc".parse().unwrap());
        call.metadata.insert("traceparent", "garbage".parse().unwrap());
        let begun = Begun::of(&call);
        for form in [Form::Json, Form::Text] {
            assert_eq!(begun.ended(Ok(()), AT, AT, form).matches('\n').count(), 1);
        }
        assert!(begun.ended(Ok(()), AT, AT, Form::Text).ends_with("consumer=a_b_c\n"));
    }
}
