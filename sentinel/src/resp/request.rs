//! Requests as a server reads them: an array of bulk strings, or words on a line.

use super::error::ProtocolError;
use super::integer;
use super::words::split_words;
use bytes::{Buf, Bytes, BytesMut};

/// What a request may be at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// Arguments, the command among them.
    pub arguments: usize,
    /// Bytes of one argument.
    pub argument: usize,
    /// Bytes of all arguments together.
    pub request: usize,
    /// Bytes of a line: of a request of words, or with a length.
    pub line: usize,
    /// What exceeds the limits is called unauthenticated, as Redis does before a login.
    pub unauthenticated: bool,
}

impl RequestLimits {
    /// For clients that have not logged in: Redis' own limits.
    pub const UNAUTHENTICATED: Self =
        Self { arguments: 10, argument: 16 * 1024, request: 64 * 1024, line: 64 * 1024, unauthenticated: true };
    /// For everybody else. A sentinel's commands are short; the longest is a `SENTINEL SET` with many options.
    pub const DEFAULT: Self =
        Self { arguments: 4096, argument: 512 * 1024, request: 1024 * 1024, line: 64 * 1024, unauthenticated: false };
}

/// Takes requests out of a stream of bytes.
#[derive(Debug, Default)]
pub struct RequestDecoder {
    arguments: Vec<Bytes>,
    /// Arguments still to come of the array being read.
    missing: usize,
    /// Bytes of the arguments so far.
    bytes: usize,
    /// Length of the argument being read.
    argument: Option<usize>,
    /// Bytes of the buffer that are known to hold no line end.
    scanned: usize,
}

impl RequestDecoder {
    /// The next request, or `None` if it is not whole yet. Empty requests are passed over. The limits may differ from
    /// call to call: a login raises them.
    ///
    /// # Errors
    /// If the bytes are no request, or exceed a limit. The decoder is of no more use then.
    pub fn next(&mut self, buffer: &mut BytesMut, limits: &RequestLimits) -> Result<Option<Vec<Bytes>>, ProtocolError> {
        while !buffer.is_empty() {
            if self.missing == 0 && buffer[0] != b'*' {
                match self.inline(buffer, limits)? {
                    Some(words) if words.is_empty() => continue,
                    request => return Ok(request),
                }
            }
            if self.missing == 0 && !self.array(buffer, limits)? {
                return Ok(None);
            }
            while self.missing > 0 {
                if !self.bulk(buffer, limits)? {
                    return Ok(None);
                }
            }
            let arguments = std::mem::take(&mut self.arguments);
            self.bytes = 0;
            if !arguments.is_empty() {
                return Ok(Some(arguments));
            }
        }
        Ok(None)
    }

    /// Reads the head of an array; false if it is not whole yet. An array of none or less leaves `missing` at 0.
    fn array(&mut self, buffer: &mut BytesMut, limits: &RequestLimits) -> Result<bool, ProtocolError> {
        let Some(line) = self.count_line(buffer, limits.line, ProtocolError::LongArrayLine)? else { return Ok(false) };
        let count = integer(&line[1..]).ok_or(ProtocolError::ArrayLength)?;
        match usize::try_from(count) {
            Ok(count) if count > limits.arguments && limits.unauthenticated => Err(ProtocolError::UnauthenticatedArray),
            Ok(count) if count > limits.arguments => Err(ProtocolError::ArrayLength),
            Ok(count) => {
                self.missing = count;
                Ok(true)
            }
            Err(_) => Ok(true),
        }
    }

    /// Reads one argument; false if it is not whole yet.
    fn bulk(&mut self, buffer: &mut BytesMut, limits: &RequestLimits) -> Result<bool, ProtocolError> {
        let length = match self.argument {
            Some(length) => length,
            None => {
                match buffer.first() {
                    None => return Ok(false),
                    Some(b'$') => {}
                    Some(other) => return Err(ProtocolError::ExpectedBulk(*other)),
                }
                let line = self.count_line(buffer, limits.line, ProtocolError::LongBulkLine)?;
                let Some(line) = line else { return Ok(false) };
                let length = integer(&line[1..]).and_then(|n| usize::try_from(n).ok());
                match length.ok_or(ProtocolError::BulkLength)? {
                    n if n > limits.argument && limits.unauthenticated => {
                        return Err(ProtocolError::UnauthenticatedBulk);
                    }
                    n if n > limits.argument => return Err(ProtocolError::BulkLength),
                    n => {
                        self.bytes += n;
                        if self.bytes > limits.request {
                            return Err(ProtocolError::LongRequest);
                        }
                        self.argument = Some(n);
                        n
                    }
                }
            }
        };
        // Redis passes over the two bytes after an argument without a look, and so do we.
        if buffer.len() < length + 2 {
            return Ok(false);
        }
        self.arguments.push(buffer.split_to(length).freeze());
        buffer.advance(2);
        self.argument = None;
        self.missing -= 1;
        Ok(true)
    }

    /// A line that ends with a carriage return and one byte more, without both.
    fn count_line(
        &mut self,
        buffer: &mut BytesMut,
        limit: usize,
        too_long: ProtocolError,
    ) -> Result<Option<BytesMut>, ProtocolError> {
        match self.find(buffer, b'\r') {
            Some(end) if end > limit => Err(too_long),
            Some(end) if end + 1 < buffer.len() => {
                self.scanned = 0;
                let line = buffer.split_to(end);
                buffer.advance(2);
                Ok(Some(line))
            }
            None if buffer.len() > limit => Err(too_long),
            _ => Ok(None),
        }
    }

    fn inline(&mut self, buffer: &mut BytesMut, limits: &RequestLimits) -> Result<Option<Vec<Bytes>>, ProtocolError> {
        match self.find(buffer, b'\n') {
            Some(end) if end > limits.line => Err(ProtocolError::LongInline),
            Some(end) => {
                self.scanned = 0;
                let line = buffer.split_to(end);
                buffer.advance(1);
                let line = line.strip_suffix(b"\r").unwrap_or(&line);
                let words = split_words(line).map_err(|_| ProtocolError::UnbalancedQuotes)?;
                Ok(Some(words.into_iter().map(Bytes::from).collect()))
            }
            None if buffer.len() > limits.line => Err(ProtocolError::LongInline),
            None => Ok(None),
        }
    }

    fn find(&mut self, buffer: &[u8], byte: u8) -> Option<usize> {
        let from = self.scanned.min(buffer.len());
        let found = buffer[from..].iter().position(|b| *b == byte).map(|at| from + at);
        // What was found may lack the byte after it: then it is looked for again from here.
        self.scanned = found.unwrap_or(buffer.len());
        found
    }
}

#[cfg(test)]
mod tests {
    use super::super::encode_command;
    use super::*;
    use proptest::prelude::*;

    type Requests = (Vec<Vec<Bytes>>, Option<ProtocolError>);

    fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limits: &RequestLimits) -> Requests {
        let (mut decoder, mut buffer, mut requests) = (RequestDecoder::default(), BytesMut::new(), Vec::new());
        for piece in pieces {
            buffer.extend_from_slice(piece);
            loop {
                match decoder.next(&mut buffer, limits) {
                    Ok(Some(request)) => requests.push(request),
                    Ok(None) => break,
                    Err(error) => return (requests, Some(error)),
                }
            }
        }
        (requests, None)
    }

    fn texts(requests: &[Vec<Bytes>]) -> Vec<String> {
        let join = |r: &Vec<Bytes>| r.iter().map(|a| String::from_utf8_lossy(a).into_owned()).collect::<Vec<_>>();
        requests.iter().map(|r| join(r).join("|")).collect()
    }

    #[test]
    fn requests_as_redis_reads_them() {
        let long = |start: &str, fill: &str| format!("{start}{}", fill.repeat(70_000)).into_bytes();
        let table: Vec<(Vec<u8>, Vec<&str>, Option<&str>)> = vec![
            (b"*1\r\n$4\r\nPING\r\n".to_vec(), vec!["PING"], None),
            (b"ping\r\n".to_vec(), vec!["ping"], None),
            (b"\r\n\r\nping a\n".to_vec(), vec!["ping|a"], None),
            (b"  ping  \"a b\"\r\n".to_vec(), vec!["ping|a b"], None),
            (b"*-1\r\nPING\r\n*0\r\n*1\r\n$0\r\n\r\n".to_vec(), vec!["PING", ""], None),
            (b"*2\r\n$4\r\nPING\r\n$3\r\nabcd\r\nPING\r\n".to_vec(), vec!["PING|abc", "PING"], None),
            (b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPONG\r\n".to_vec(), vec!["PING", "PONG"], None),
            (b"*1\n$4\nPING\n".to_vec(), vec![], None),
            (b"*x\r\n".to_vec(), vec![], Some("Protocol error: invalid multibulk length")),
            (b"*+1\r\n".to_vec(), vec![], Some("Protocol error: invalid multibulk length")),
            (b"*1048577\r\n".to_vec(), vec![], Some("Protocol error: invalid multibulk length")),
            (b"*1\r\n$x\r\n".to_vec(), vec![], Some("Protocol error: invalid bulk length")),
            (b"*1\r\n$-1\r\n".to_vec(), vec![], Some("Protocol error: invalid bulk length")),
            (b"*1\r\n$536870913\r\n".to_vec(), vec![], Some("Protocol error: invalid bulk length")),
            (b"*1\r\n+PING\r\n".to_vec(), vec![], Some("Protocol error: expected '$', got '+'")),
            (b"ping \"a\r\n".to_vec(), vec![], Some("Protocol error: unbalanced quotes in request")),
            (long("*", "1"), vec![], Some("Protocol error: too big mbulk count string")),
            (long("*1\r\n$", "1"), vec![], Some("Protocol error: too big bulk count string")),
            (long("", "x"), vec![], Some("Protocol error: too big inline request")),
        ];
        for (bytes, expected, error) in table {
            let (requests, found) = decode([bytes.as_slice()], &RequestLimits::DEFAULT);
            let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
            assert_eq!(texts(&requests), expected, "{shown:?}");
            assert_eq!(found.map(|e| e.to_string()).as_deref(), error, "{shown:?}");
        }
    }

    #[test]
    fn less_is_taken_before_a_login_and_in_sum() {
        let limits = RequestLimits::UNAUTHENTICATED;
        let error = |bytes: &str, limits| decode([bytes.as_bytes()], limits).1;
        assert_eq!(error("*11\r\n", &limits), Some(ProtocolError::UnauthenticatedArray));
        assert_eq!(error("*1\r\n$16385\r\n", &limits), Some(ProtocolError::UnauthenticatedBulk));
        assert_eq!(error("*1\r\n$16384\r\n", &limits), None);
        let small = RequestLimits { request: 5, ..RequestLimits::DEFAULT };
        assert_eq!(error("*2\r\n$3\r\nabc\r\n$3\r\n", &small), Some(ProtocolError::LongRequest));
    }

    fn stream() -> impl Strategy<Value = Vec<Vec<Vec<u8>>>> {
        prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 1..4), 0..4)
    }

    proptest! {
        #[test]
        fn a_request_reads_back_however_it_is_cut(requests in stream(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4)) {
            let mut bytes = BytesMut::new();
            requests.iter().for_each(|r| encode_command(r, &mut bytes));
            let mut at: Vec<usize> = cuts.iter().map(|c| c.index(bytes.len() + 1)).collect();
            at.extend([0, bytes.len()]);
            at.sort_unstable();
            let pieces = at.windows(2).map(|w| &bytes[w[0]..w[1]]);
            let (decoded, error) = decode(pieces, &RequestLimits::DEFAULT);
            prop_assert_eq!(error, None);
            prop_assert_eq!(&decoded, &requests);
            let (single, _) = decode(bytes.chunks(1), &RequestLimits::DEFAULT);
            prop_assert_eq!(&single, &requests);
        }

        #[test]
        fn garbage_means_the_same_however_it_is_cut(bytes in prop::collection::vec(prop::sample::select(b"*$+-:01239\r\n\"'\\ aPI\0\xff".to_vec()), 0..48)) {
            let whole = decode([bytes.as_slice()], &RequestLimits::DEFAULT);
            let single = decode(bytes.chunks(1), &RequestLimits::DEFAULT);
            prop_assert_eq!(whole, single);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let (requests, _) = decode([bytes.as_slice()], &RequestLimits::UNAUTHENTICATED);
            prop_assert!(requests.iter().flatten().map(Bytes::len).sum::<usize>() <= bytes.len());
        }
    }
}
