//! Answers made smaller for clients that take it so. What comes in pieces goes out in pieces: each is flushed.

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{
        ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
        ETAG, VARY,
    },
};
use http_body::{Body as HttpBody, Frame, SizeHint};
use mainstay::edge::{Body, BoxError};
use std::{
    io::{self, Write},
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Less is not worth it.
const LEAST: u64 = 1024;
/// What is text, by how its type begins or ends.
const TEXTS: [&str; 5] = ["text/", "application/json", "application/javascript", "application/xml", "image/svg+xml"];

/// A client takes gzip: said so, and not with a quality of zero. Pure.
pub(crate) fn accepts(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(ACCEPT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    let mut codings = lines.flat_map(|line| line.split(',')).map(|coding| {
        let (name, rest) = coding.split_once(';').unwrap_or((coding, ""));
        let quality = rest.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.trim().parse::<f32>().ok());
        (name.trim(), quality.unwrap_or_default() > 0.0)
    });
    codings.any(|(name, taken)| taken && (name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip")))
}

/// An answer is worth it, and nobody has said otherwise: not one that is encoded already, a part of a whole, or a stream of
/// events, whose readers count on each of them at once. Pure.
fn is_worth_it<T>(method: &Method, response: &Response<T>, hint: &SizeHint) -> bool {
    let headers = response.headers();
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = text(CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_text = TEXTS.iter().any(|text| kind.starts_with(text)) || kind.ends_with("+json") || kind.ends_with("+xml");
    let bodiless = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED, StatusCode::PARTIAL_CONTENT];
    is_text
        && kind != "text/event-stream"
        && method != Method::HEAD
        && !bodiless.contains(&response.status())
        && !headers.contains_key(CONTENT_ENCODING)
        && !headers.contains_key(CONTENT_RANGE)
        && !text(CACHE_CONTROL).contains("no-transform")
        && hint.exact().is_none_or(|length| length >= LEAST)
}

/// The answer, made smaller where that is worth it. Caches hear that it depends on what the client takes.
pub(crate) fn compress(accepts: bool, method: &Method, mut response: Response<Body>) -> Response<Body> {
    let hint = response.body().size_hint();
    if !is_worth_it(method, &response, &hint) {
        return response;
    }
    let headers = response.headers_mut();
    let varies = headers.get_all(VARY).into_iter().filter_map(|value| value.to_str().ok());
    if !varies.flat_map(|line| line.split(',')).any(|name| name.trim().eq_ignore_ascii_case("accept-encoding")) {
        headers.append(VARY, HeaderValue::from_static("accept-encoding"));
    }
    if !accepts {
        return response;
    }
    headers.remove(CONTENT_LENGTH);
    headers.remove(ACCEPT_RANGES);
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    // Other bytes: a strong tag would be a lie.
    let weak = headers.get(ETAG).and_then(|tag| tag.to_str().ok()).filter(|tag| !tag.starts_with("W/"));
    if let Some(weak) = weak.and_then(|tag| HeaderValue::from_str(&format!("W/{tag}")).ok()) {
        headers.insert(ETAG, weak);
    }
    response.map(|body| Body::new(Gzip { body, encoder: Some(GzEncoder::new(Vec::new(), Compression::fast())) }))
}

/// A body, compressed as it comes.
struct Gzip {
    body: Body,
    /// `None` once the end was written.
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl Gzip {
    fn push(&mut self, data: &[u8]) -> io::Result<Bytes> {
        let Some(encoder) = &mut self.encoder else { return Ok(Bytes::new()) };
        encoder.write_all(data)?;
        encoder.flush()?;
        Ok(std::mem::take(encoder.get_mut()).into())
    }
}

impl HttpBody for Gzip {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.encoder.is_none() {
            // Trailers of the body may still come.
            return Pin::new(&mut self.body).poll_frame(cx);
        }
        let data = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => self.push(&data),
                // Behind trailers comes no data: they would be lost if the end were written after them.
                Err(_) => self.encoder.take().map_or(Ok(Vec::new()), GzEncoder::finish).map(Bytes::from),
            },
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            None => self.encoder.take().map_or(Ok(Vec::new()), GzEncoder::finish).map(Bytes::from),
        };
        Poll::Ready(Some(data.map(Frame::data).map_err(Into::into)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use http_body_util::{BodyExt, StreamBody};
    use std::io::Read;

    fn answer(kind: &str, body: Body, more: &[(&'static str, &str)]) -> Response<Body> {
        let mut response = Response::new(body);
        for (name, value) in more.iter().copied().chain([("content-type", kind)]) {
            response.headers_mut().append(name, value.parse().unwrap());
        }
        response
    }

    #[test]
    fn who_takes_it() {
        for (said, taken) in [
            (&["gzip"][..], true),
            (&["deflate, GZIP;q=0.5"], true),
            (&["br", "x-gzip"], true),
            (&["gzip;q=0"], false),
            (&["gzip; q=0.0, br"], false),
            (&["identity"], false),
            (&[], false),
        ] {
            let mut headers = HeaderMap::new();
            for value in said {
                headers.append(ACCEPT_ENCODING, value.parse().unwrap());
            }
            assert_eq!(accepts(&headers), taken, "{headers:?}");
        }
    }

    #[test]
    fn what_is_left_as_it_is() {
        let large = || Body::from("a".repeat(LEAST as usize));
        let made =
            |accepts, method, response| compress(accepts, &method, response).headers().contains_key(CONTENT_ENCODING);
        assert!(made(true, Method::GET, answer("application/problem+json; charset=utf-8", large(), &[])));
        assert!(!made(false, Method::GET, answer("text/html", large(), &[])));
        assert!(!made(true, Method::HEAD, answer("text/html", large(), &[])));
        assert!(!made(true, Method::GET, answer("text/html", Body::from("small"), &[])));
        assert!(!made(true, Method::GET, answer("text/event-stream", large(), &[])));
        assert!(!made(true, Method::GET, answer("image/png", large(), &[])));
        assert!(!made(true, Method::GET, answer("text/html", large(), &[("cache-control", "public, no-transform")])));
        assert!(!made(true, Method::GET, answer("text/html", large(), &[("content-range", "bytes 0-1023/4096")])));
        let encoded = compress(true, &Method::GET, answer("text/html", large(), &[("content-encoding", "br")]));
        assert_eq!(encoded.headers()[CONTENT_ENCODING], "br");
        let left = compress(false, &Method::GET, answer("text/html", large(), &[("vary", "origin")]));
        assert_eq!(left.headers().get_all(VARY).iter().count(), 2, "a cache must know that it depends");
    }

    #[tokio::test]
    async fn what_comes_in_pieces_goes_out_in_pieces() {
        let pieces = ["first ", "second ", "third"].map(|piece| Ok::<_, BoxError>(Frame::data(Bytes::from(piece))));
        let body = Body::new(StreamBody::new(futures_util::stream::iter(pieces)));
        let more = [("etag", "\"x\""), ("content-length", "18")];
        let response = compress(true, &Method::GET, answer("text/plain", body, &more));
        assert_eq!(
            (&response.headers()[ETAG], response.headers().get(CONTENT_LENGTH)),
            (&"W/\"x\"".parse().unwrap(), None)
        );
        let (mut body, mut all, mut read) = (response.into_body(), Vec::new(), Vec::new());
        while let Some(frame) = body.frame().await {
            all.extend_from_slice(&frame.unwrap().into_data().unwrap());
            let mut text = [0; 100];
            read.push(GzDecoder::new(all.as_slice()).read(&mut text).unwrap_or_default());
        }
        assert!(read[0] >= 6, "the first piece can be read when it has come: {read:?}");
        let mut text = String::new();
        GzDecoder::new(all.as_slice()).read_to_string(&mut text).unwrap();
        assert_eq!(text, "first second third");
    }
}
