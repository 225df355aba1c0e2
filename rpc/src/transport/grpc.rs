//! gRPC's headers: the deadline, the status and the message, as they are written between peers.
//!
//! Pure text in, values out. The rules are those of gRPC over HTTP/2 with what the real peers add: Dubbo's Java client
//! reads a `+` in a message as a space and gives up at a bare `%`, so both are always escaped; its server answers some
//! failures with a status other than 200 and the gRPC status in the headers, so that one is looked for first.

#[cfg(feature = "server")]
use crate::call::wire;
use crate::call::{Reason, Status};
use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
#[cfg(feature = "server")]
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use percent_encoding::percent_decode;
#[cfg(feature = "server")]
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
#[cfg(feature = "server")]
use prost::Message as _;
use std::{sync::Mutex, time::Duration};
use tonic::{Code, metadata::MetadataMap};

pub(crate) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
pub(crate) const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
pub(crate) const GRPC_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
pub(crate) const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
pub(crate) const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
pub(crate) const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
pub(crate) const GRPC_PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");
/// The version and the group that Dubbo's Triple asks for.
pub(crate) const SERVICE_VERSION: HeaderName = HeaderName::from_static("tri-service-version");
pub(crate) const SERVICE_GROUP: HeaderName = HeaderName::from_static("tri-service-group");
/// The application that calls, as Dubbo's consumers say.
pub(crate) const CONSUMER: HeaderName = HeaderName::from_static("tri-consumer-appname");
pub(crate) const APPLICATION_GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// What must not stand bare in `grpc-message`: what gRPC names, and `+` for Dubbo's Java client.
#[cfg(feature = "server")]
const ESCAPED: &AsciiSet = &CONTROLS.add(b'%').add(b'+');

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads `grpc-timeout`: at most eight digits and a unit.
///
/// # Errors
/// The text when it is none.
#[cfg(feature = "server")]
pub(crate) fn parse_timeout(value: &HeaderValue) -> Result<Duration, String> {
    let wrong = || format!("grpc-timeout must be up to eight digits and one of H M S m u n, not {value:?}");
    let Some((unit, digits @ [_, ..])) = value.as_bytes().split_last() else { return Err(wrong()) };
    if digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(wrong());
    }
    let n = digits.iter().fold(0, |n, digit| n * 10 + u64::from(digit - b'0'));
    match unit {
        b'H' => Ok(Duration::from_secs(n * 3600)),
        b'M' => Ok(Duration::from_secs(n * 60)),
        b'S' => Ok(Duration::from_secs(n)),
        b'm' => Ok(Duration::from_millis(n)),
        b'u' => Ok(Duration::from_micros(n)),
        b'n' => Ok(Duration::from_nanos(n)),
        _ => Err(wrong()),
    }
}

/// Writes `grpc-timeout`, and keeps the text for the next call, which mostly has the same: what it then costs is to count
/// a reference.
#[derive(Debug, Default)]
pub(crate) struct Timeouts(Mutex<Option<(Rounded, HeaderValue)>>);

/// A number of at most eight digits, and its unit.
type Rounded = (u32, u8);

impl Timeouts {
    pub(crate) fn format(&self, timeout: Duration) -> HeaderValue {
        let rounded = round_up(timeout);
        // Who finds it locked writes a text of its own.
        let Ok(mut last) = self.0.try_lock() else { return written(rounded) };
        match &*last {
            Some((known, value)) if *known == rounded => value.clone(),
            _ => last.insert((rounded, written(rounded))).1.clone(),
        }
    }
}

/// Rounds up to three digits.
///
/// Few texts then stand in most calls, and each is one byte for header compression, whose tables are searched from
/// the oldest text of a name to the newest: with a new one in every call that costs more than all the rest of a head.
/// Rounding up is safe because the caller keeps its own clock. (gRPC's core rounds for the same reason.)
fn round_up(timeout: Duration) -> Rounded {
    /// In microseconds: more is as good as for ever, and does not fit into what is written.
    const LONGEST: u64 = 1_000_000_000_000_000_000;
    let micros = timeout.as_secs().saturating_mul(1_000_000);
    let micros = micros.saturating_add(timeout.subsec_nanos().div_ceil(1000).into()).min(LONGEST);
    let (mut n, mut zeros) = (micros, 0);
    while n >= 1000 {
        n = n.div_ceil(10);
        zeros += 1;
    }
    let micros = n * 10u64.pow(zeros);
    let (n, unit) = match micros {
        ..1_000 => (micros, b'u'),
        1_000..100_000_000_000 if zeros >= 3 => (micros / 1_000, b'm'),
        1_000..100_000_000 => (micros, b'u'),
        _ => (micros.div_ceil(3_600_000_000), b'H'),
    };
    (u32::try_from(n).unwrap_or(u32::MAX).min(99_999_999), unit)
}

fn written((n, unit): Rounded) -> HeaderValue {
    let (mut text, mut at, mut rest) = ([unit; 9], 8, n);
    loop {
        at -= 1;
        text[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    HeaderValue::from_bytes(&text[at..]).expect("digits and a letter")
}

/// Writes a status as trailers.
#[cfg(feature = "server")]
pub(crate) fn status_headers(status: Status) -> HeaderMap {
    let mut headers = status.metadata().clone().into_headers();
    headers.insert(GRPC_STATUS, code_value(status.code()));
    if !status.message().is_empty() {
        let message = percent_encode(status.message().as_bytes(), ESCAPED).to_string();
        headers.insert(GRPC_MESSAGE, HeaderValue::from_maybe_shared(Bytes::from(message)).expect("escaped"));
    }
    if !status.details().is_empty() {
        let details = BASE64.encode(status.details());
        headers.insert(GRPC_DETAILS, HeaderValue::from_maybe_shared(Bytes::from(details)).expect("base64"));
    }
    // Whoever made the status said no where its reason alone would let others try.
    let no_more = status.reason().retryable() && !status.retryable();
    if let Some(after) = status.retry_after() {
        headers.insert(GRPC_PUSHBACK, HeaderValue::from(after.as_millis().min(u64::MAX.into()) as u64));
    } else if no_more {
        headers.insert(GRPC_PUSHBACK, HeaderValue::from_static("-1"));
    }
    headers
}

/// The status as a Dubbo consumer can read it.
///
/// Its Java decodes the message inside the details as if it were in a URL, and turns a bare `%` into a failure without
/// text. Everybody else takes that message as it is, so it is escaped for no one else.
#[cfg(feature = "server")]
pub(crate) fn for_dubbo(status: Status) -> Status {
    let Ok(mut details) = wire::Status::decode(status.details().clone()) else { return status };
    if !details.message.contains(['%', '+']) {
        return status;
    }
    const URL: &AsciiSet = &AsciiSet::EMPTY.add(b'%').add(b'+');
    details.message = percent_encoding::utf8_percent_encode(&details.message, URL).to_string();
    status.with_details(details.encode_to_vec().into())
}

/// Whether a request is of a Dubbo consumer other than our own.
#[cfg(feature = "server")]
pub(crate) fn is_of_dubbo(headers: &HeaderMap) -> bool {
    let ours = |agent: &HeaderValue| agent.as_bytes().starts_with(b"mainstay/");
    headers.contains_key(CONSUMER) && !headers.get(http::header::USER_AGENT).is_some_and(ours)
}

/// Writes a code without allocating.
#[cfg(feature = "server")]
pub(crate) fn code_value(code: Code) -> HeaderValue {
    const TEXTS: [&str; 17] =
        ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16"];
    HeaderValue::from_static(TEXTS[code as usize & 31])
}

/// Reads the status out of trailers, or out of headers that are trailers too. `Ok` carries the other metadata.
///
/// `None` when there is no `grpc-status`.
pub(crate) fn read_status(mut headers: HeaderMap) -> Option<Result<MetadataMap, Status>> {
    let code = headers.remove(GRPC_STATUS)?;
    if code == "0" {
        headers.remove(GRPC_MESSAGE);
        return Some(Ok(MetadataMap::from_headers(headers)));
    }
    let code = Code::from_bytes(code.as_bytes());
    let message = headers.remove(GRPC_MESSAGE).map(|m| percent_decode(m.as_bytes()).decode_utf8_lossy().into_owned());
    let details = headers.remove(GRPC_DETAILS).and_then(|d| BASE64.decode(d.as_bytes()).ok()).unwrap_or_default();
    let pushback = headers.remove(GRPC_PUSHBACK);
    let reason = if code == Code::Unavailable { Reason::RemoteUnavailable } else { Reason::Remote };
    let mut status = Status::because(reason, code, message.unwrap_or_default())
        .with_details(details.into())
        .with_metadata(MetadataMap::from_headers(headers));
    if let Some(millis) = pushback.as_ref().and_then(|p| p.to_str().ok()).and_then(|p| p.parse::<i64>().ok()) {
        // A negative number asks for no further try (gRFC A6).
        status = match u64::try_from(millis) {
            Ok(millis) => status.with_retry_after(Duration::from_millis(millis)),
            Err(_) => status.not_retryable(),
        };
    }
    Some(Err(status))
}

/// What an answer without a gRPC status means (gRPC's table of HTTP codes).
pub(crate) fn status_of_http(code: StatusCode) -> Status {
    let (grpc, reason) = match code.as_u16() {
        400 | 431 => (Code::Internal, Reason::BadResponse),
        401 => (Code::Unauthenticated, Reason::Remote),
        403 => (Code::PermissionDenied, Reason::Remote),
        404 => (Code::Unimplemented, Reason::Remote),
        429 | 502 | 503 | 504 => (Code::Unavailable, Reason::RemoteUnavailable),
        _ => (Code::Unknown, Reason::BadResponse),
    };
    Status::because(reason, grpc, format!("the peer answered HTTP {code} and no gRPC status"))
}

/// What an error of HTTP/2 means for the call that met it.
pub(crate) fn status_of_h2(error: &h2::Error) -> Status {
    use h2::Reason as H2;
    let because = |reason, code, what: &str| Status::because(reason, code, format!("{what}: {error}"));
    if error.is_io() {
        return because(Reason::ConnectionLost, Code::Unavailable, "the connection was lost");
    }
    // A peer that goes away says which streams it has seen; h2 fails the others with the GOAWAY itself.
    if error.is_go_away() && error.is_remote() && error.reason() == Some(H2::NO_ERROR) {
        return because(Reason::StreamRefused, Code::Unavailable, "the peer is going away").not_reached();
    }
    match error.reason() {
        Some(H2::REFUSED_STREAM) => {
            because(Reason::StreamRefused, Code::Unavailable, "the peer refused the call").not_reached()
        }
        Some(H2::CANCEL) => because(Reason::Cancelled, Code::Cancelled, "the peer cancelled the call"),
        Some(H2::ENHANCE_YOUR_CALM) => because(Reason::Overloaded, Code::ResourceExhausted, "the peer asks for calm"),
        Some(H2::INADEQUATE_SECURITY) => because(Reason::Remote, Code::PermissionDenied, "the peer wants better TLS"),
        _ if error.is_go_away() => because(Reason::ConnectionLost, Code::Unavailable, "the connection was closed"),
        _ => because(Reason::BadResponse, Code::Internal, "HTTP/2 failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::ErrorInfo;
    use proptest::prelude::*;

    #[test]
    fn timeouts_of_every_unit() {
        let parse = |text: &'static str| parse_timeout(&HeaderValue::from_static(text));
        for (text, nanos) in [
            ("1n", 1),
            ("3000000u", 3_000_000_000),
            ("100000m", 100_000_000_000),
            ("2S", 2_000_000_000),
            ("1M", 60_000_000_000),
            ("1H", 3_600_000_000_000),
        ] {
            assert_eq!(parse(text).unwrap().as_nanos(), nanos, "{text}");
        }
        for text in ["", "m", "1", "1x", "-1m", "123456789m", "1.5S", "1 m"] {
            assert!(parse(text).unwrap_err().contains("grpc-timeout"), "{text}");
        }
    }

    #[test]
    fn calls_of_one_timeout_have_one_text_whenever_they_are_sent() {
        let timeouts = Timeouts::default();
        for (micros, text) in [
            (0, "0u"),
            (1, "1u"),
            (999, "999u"),
            (1_001, "1010u"),
            (199_950, "200m"),
            (1_000_000, "1000m"),
            (9_990_001, "10000m"),
            (9_999_960, "10000m"),
            (10_000_000, "10000m"),
            (99_999_999_999, "28H"),
            (3_600_000_000_000, "1000H"),
        ] {
            // Written, and kept.
            for _ in 0..2 {
                assert_eq!(timeouts.format(Duration::from_micros(micros)), text, "{micros} µs");
            }
        }
    }

    proptest! {
        #[test]
        fn a_written_timeout_is_never_shorter_and_hardly_longer(nanos in 0u64..10_u64.pow(17)) {
            let timeout = Duration::from_nanos(nanos);
            let read = parse_timeout(&Timeouts::default().format(timeout)).unwrap();
            prop_assert!(read >= timeout);
            let hour = Duration::from_secs(if timeout.as_secs() < 100_000 { 0 } else { 3600 });
            prop_assert!(read - timeout <= timeout / 100 + Duration::from_micros(1) + hour, "{read:?}");
        }

        #[test]
        fn messages_survive_the_wire(message in "\\PC*", code in 1i32..17) {
            let status = Status::new(Code::from(code), message.clone());
            let read = read_status(status_headers(status)).unwrap().unwrap_err();
            prop_assert_eq!((read.code(), read.message()), (Code::from(code), message.as_str()));
        }
    }

    #[test]
    fn details_pushback_and_metadata_survive_the_wire() {
        let mut status = Status::new(Code::NotFound, "100 % + more")
            .with_info(ErrorInfo::new("UNKNOWN", "stock").with("sku", "a-1"))
            .with_retry_after(Duration::from_millis(7));
        status.metadata_mut().insert("tenant", "t".parse().unwrap());
        let headers = status_headers(status.clone());
        assert_eq!(headers[GRPC_MESSAGE], "100 %25 %2B more");
        let read = read_status(headers).unwrap().unwrap_err();
        assert_eq!(read.info(), status.info());
        assert_eq!(read.retry_after(), status.retry_after());
        assert_eq!(read.metadata().get("tenant").unwrap(), "t");
    }

    #[test]
    fn the_wish_for_no_further_try_survives_the_wire() {
        let lost = Status::because(Reason::RemoteUnavailable, Code::Unavailable, "lost below");
        for (status, retryable) in [
            (lost.clone(), true),
            (lost.not_retryable(), false),
            (Status::new(Code::Unavailable, "closed today"), true),
        ] {
            let read = read_status(status_headers(status.clone())).unwrap().unwrap_err();
            assert_eq!(read.retryable(), retryable, "{status:?}");
        }
    }

    #[test]
    fn the_details_are_escaped_for_dubbo_s_java_alone() {
        let text = "sold out: 100% + more, 售罄";
        let status = Status::new(Code::Unknown, text).with_info(ErrorInfo::new("SOLD_OUT", "desk"));
        let inside = |status: &Status| wire::Status::decode(status.details().clone()).unwrap().message;
        let escaped = for_dubbo(status.clone());
        assert_eq!(inside(&status), text);
        assert_eq!(inside(&escaped), "sold out: 100%25 %2B more, %E5%94%AE%E7%BD%84");
        assert_eq!((escaped.message(), escaped.info()), (text, status.info()));
        // A status without details gets none.
        assert!(!status_headers(for_dubbo(Status::new(Code::Unknown, text))).contains_key(GRPC_DETAILS));
        for (headers, dubbo) in [
            (vec![("tri-consumer-appname", "asker-java")], true),
            (vec![("tri-consumer-appname", "site"), ("user-agent", "mainstay/0.1.0")], false),
            (vec![("user-agent", "grpc-go-triple/0.1.0 (go1.26.8)")], false),
        ] {
            let headers = headers.into_iter().map(|(k, v)| (HeaderName::from_static(k), HeaderValue::from_static(v)));
            assert_eq!(is_of_dubbo(&headers.collect()), dubbo);
        }
    }

    #[test]
    fn failures_of_java_and_go_as_they_were_sent() {
        let read = |pairs: &[(&'static str, &str)]| {
            let header = |&(k, v): &(&'static str, &str)| {
                (HeaderName::from_static(k), HeaderValue::from_bytes(v.as_bytes()).unwrap())
            };
            read_status(pairs.iter().map(header).collect()).unwrap().unwrap_err()
        };
        // Java: raw, and what is not Latin is lost.
        let java = read(&[("grpc-status", "2"), ("grpc-message", "sold out: 100% + ??")]);
        assert_eq!((java.code(), java.message()), (Code::Unknown, "sold out: 100% + ??"));
        let unknown = read(&[("grpc-status", "12"), ("grpc-message", "Invoker for gRPC not found")]);
        assert_eq!(unknown.code(), Code::Unimplemented);
        // Go: escaped, with details always, and its errors of business under a code of its own.
        let go = read(&[
            ("grpc-message", "sold out: 100%25 + %E5%94%AE%E7%BD%84"),
            ("grpc-status", "17"),
            ("grpc-status-details-bin", "CBESF3NvbGQgb3V0OiAxMDAlICsg5ZSu572E"),
            ("x-node", "g1"),
        ]);
        assert_eq!((go.code(), go.message()), (Code::Unknown, "sold out: 100% + 售罄"));
        assert_eq!((go.metadata().get("x-node").unwrap().to_str().unwrap(), go.retryable()), ("g1", false));
        assert_eq!(wire::Status::decode(go.details().clone()).unwrap().code, 17);
        for odd in ["99", "-1", "016", "", "5 "] {
            assert_eq!(read(&[("grpc-status", odd)]).code(), Code::Unknown, "{odd}");
        }
    }

    #[test]
    fn odd_peers() {
        let read = |pairs: &[(&'static str, &'static str)]| {
            read_status(pairs.iter().map(|(k, v)| (HeaderName::from_static(k), HeaderValue::from_static(v))).collect())
        };
        // dubbo-go's business code, and nonsense.
        assert_eq!(read(&[("grpc-status", "17")]).unwrap().unwrap_err().code(), Code::Unknown);
        assert_eq!(read(&[("grpc-status", "x")]).unwrap().unwrap_err().code(), Code::Unknown);
        // A message that was never escaped.
        let raw = read(&[("grpc-status", "5"), ("grpc-message", "50% off")]).unwrap().unwrap_err();
        assert_eq!(raw.message(), "50% off");
        // Push-back of a server that wants no further try.
        let no = read(&[("grpc-status", "14"), ("grpc-retry-pushback-ms", "-1")]).unwrap().unwrap_err();
        assert!(!no.retryable());
        assert!(read(&[("content-type", "text/html")]).is_none());
    }
}
