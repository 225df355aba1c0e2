//! Where requests of HTTP/1.1 begin and end on a connection, read strictly. Pure.
//!
//! Two servers in a row that disagree on it are how requests are smuggled. hyper reads leniently in places where the server in
//! front may read otherwise: it takes a `Content-Length` beside a `Transfer-Encoding` (and hides it), looks at the last coding
//! alone, takes lines that end in a bare LF, and requests without a `Host`. So each head is read here first, and what is not
//! plainly one thing is refused, whatever the server in front made of it. (RFC 9112, sections 2.2, 3.2, 6 and 7.)

/// The longest line, in bytes. hyper's own bound on a whole head is below it.
const MAX_LINE: usize = 64 * 1024;
/// Empty lines before a request, as old clients send them.
const MAX_EMPTY: u8 = 2;

/// What stands against a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Violation(pub(crate) &'static str);

/// The bytes of a connection, as far as they have been read.
#[derive(Debug)]
pub(crate) struct Framing {
    at: At,
    line: Vec<u8>,
    head: Head,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before the first line of all, or of a further request.
    Start {
        first: bool,
        empty: u8,
    },
    Headers,
    /// So many bytes of a body, or of a chunk.
    Body(u64),
    Chunk(u64),
    ChunkEnd,
    ChunkSize,
    Trailers,
    /// HTTP/2, which frames itself.
    Opaque,
}

/// What the head of a request has said so far.
#[derive(Debug, Default)]
struct Head {
    old: bool,
    hosts: u8,
    length: Option<u64>,
    chunked: bool,
}

impl Default for Framing {
    fn default() -> Self {
        Self { at: At::Start { first: true, empty: 0 }, line: Vec::new(), head: Head::default() }
    }
}

impl Framing {
    /// Reads on.
    ///
    /// # Errors
    /// The first violation, and how many of the bytes may be passed on before it: never the end of a head that is refused.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Result<(), (usize, Violation)> {
        let mut done = 0;
        while done < bytes.len() {
            let rest = &bytes[done..];
            done += match self.at {
                At::Opaque => return Ok(()),
                At::Body(left) => self.skip(rest, left, At::Body, At::Start { first: false, empty: 0 }),
                At::Chunk(left) => self.skip(rest, left, At::Chunk, At::ChunkEnd),
                _ => self.lines(rest).map_err(|violation| (done, violation))?,
            };
        }
        Ok(())
    }

    fn skip(&mut self, bytes: &[u8], left: u64, same: fn(u64) -> At, then: At) -> usize {
        let n = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let left = left - n as u64;
        self.at = if left == 0 { then } else { same(left) };
        n
    }

    /// Takes the bytes of one line, and reads it when it is whole. What has come whole is read where it lies.
    fn lines(&mut self, bytes: &[u8]) -> Result<usize, Violation> {
        let end = bytes.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        let taken = &bytes[..end.unwrap_or(bytes.len())];
        if self.line.len() + taken.len() > MAX_LINE {
            return Err(Violation("a line is too long"));
        }
        match end {
            Some(_) if self.line.is_empty() => self.whole(taken)?,
            Some(_) => {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(taken);
                self.whole(&line)?;
                self.line = line;
                self.line.clear();
            }
            None => self.line.extend_from_slice(taken),
        }
        Ok(taken.len())
    }

    fn whole(&mut self, line: &[u8]) -> Result<(), Violation> {
        let text = line.strip_suffix(b"\r\n").ok_or(Violation("a line ends without CR"))?;
        if text.contains(&b'\r') {
            return Err(Violation("a CR stands inside a line"));
        }
        self.line(text)
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Violation> {
        self.at = match self.at {
            At::Start { first: true, .. } if line == b"PRI * HTTP/2.0" => At::Opaque,
            At::Start { first, empty } if line.is_empty() && empty < MAX_EMPTY => At::Start { first, empty: empty + 1 },
            At::Start { .. } => {
                self.head = Head::begin(line)?;
                At::Headers
            }
            At::Headers if line.is_empty() => self.head.body()?,
            At::Headers => {
                self.head.header(line)?;
                At::Headers
            }
            At::ChunkSize => match chunk_size(line)? {
                0 => At::Trailers,
                size => At::Chunk(size),
            },
            At::ChunkEnd if line.is_empty() => At::ChunkSize,
            At::ChunkEnd => return Err(Violation("a chunk is longer than it said")),
            At::Trailers if line.is_empty() => At::Start { first: false, empty: 0 },
            At::Trailers => {
                name_and_value(line)?;
                At::Trailers
            }
            other @ (At::Body(_) | At::Chunk(_) | At::Opaque) => other,
        };
        Ok(())
    }
}

impl Head {
    fn begin(line: &[u8]) -> Result<Self, Violation> {
        let mut words = line.split(|byte| *byte == b' ');
        let (method, target, version) = (words.next(), words.next(), words.next());
        let plain =
            |word: Option<&[u8]>| word.is_some_and(|word| !word.is_empty() && word.iter().all(u8::is_ascii_graphic));
        if !plain(method) || !plain(target) || words.next().is_some() {
            return Err(Violation("the first line is not `METHOD TARGET VERSION`"));
        }
        match version {
            Some(b"HTTP/1.1") => Ok(Self::default()),
            Some(b"HTTP/1.0") => Ok(Self { old: true, ..Self::default() }),
            _ => Err(Violation("the version is neither HTTP/1.1 nor HTTP/1.0")),
        }
    }

    fn header(&mut self, line: &[u8]) -> Result<(), Violation> {
        let (name, value) = name_and_value(line)?;
        if name.eq_ignore_ascii_case(b"host") {
            self.hosts = self.hosts.saturating_add(1);
        } else if name.eq_ignore_ascii_case(b"content-length") {
            if self.length.is_some() {
                return Err(Violation("Content-Length stands there twice"));
            }
            self.length = Some(number(value).ok_or(Violation("Content-Length is no number"))?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Violation("Transfer-Encoding is not `chunked`, once"));
            }
            self.chunked = true;
        }
        Ok(())
    }

    /// What follows the head.
    fn body(&self) -> Result<At, Violation> {
        match (self.chunked, self.length) {
            _ if self.hosts > 1 || (self.hosts == 0 && !self.old) => Err(Violation("there is not one Host")),
            (true, Some(_)) => Err(Violation("Content-Length stands beside Transfer-Encoding")),
            (true, None) if self.old => Err(Violation("HTTP/1.0 has no Transfer-Encoding")),
            (true, None) => Ok(At::ChunkSize),
            (false, Some(length @ 1..)) => Ok(At::Body(length)),
            (false, _) => Ok(At::Start { first: false, empty: 0 }),
        }
    }
}

/// A header line, its value without the blanks around it.
fn name_and_value(line: &[u8]) -> Result<(&[u8], &[u8]), Violation> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or(Violation("a header has no colon"))?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    if name.is_empty() || !name.iter().all(token) {
        return Err(Violation("the name of a header is no name"));
    }
    if value.iter().any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f) {
        return Err(Violation("a header has a control character"));
    }
    Ok((name, value.trim_ascii()))
}

fn number(text: &[u8]) -> Option<u64> {
    let plain = !text.is_empty() && text.len() <= 18 && text.iter().all(u8::is_ascii_digit);
    plain.then(|| text.iter().fold(0, |n, digit| n * 10 + u64::from(digit - b'0')))
}

/// A chunk's first line: its size, and extensions that nobody reads.
fn chunk_size(line: &[u8]) -> Result<u64, Violation> {
    const WRONG: Violation = Violation("the size of a chunk is no number");
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    // hyper takes blanks before the `;`.
    let digits = digits.trim_ascii_end();
    if digits.is_empty() || digits.len() > 15 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(WRONG);
    }
    let text = std::str::from_utf8(digits).map_err(|_| WRONG)?;
    u64::from_str_radix(text, 16).map_err(|_| WRONG)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<(), &'static str> {
        Framing::default().read(text.as_bytes()).map_err(|(_, violation)| violation.0)
    }

    #[test]
    fn what_is_plainly_one_request_after_another_passes() {
        for text in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\nGET / HTTP/1.1\r\nhost:a\r\n\r\nGET /b HTTP/1.0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nt: 1\r\n\r\n\
             GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x12\x04\0\n\n\n",
        ] {
            assert_eq!(read(text), Ok(()), "{text:?}");
        }
    }

    #[test]
    fn what_two_servers_may_read_differently_is_refused() {
        let post = |headers: &str, body: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n{body}");
        let chunked = |body: &str| post("Transfer-Encoding: chunked", body);
        for (text, why) in [
            (post("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), "beside"),
            (post("Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n"), "beside"),
            (post("Content-Length: 1\r\nContent-Length: 2", "a"), "twice"),
            (post("Content-Length: 1\r\nContent-Length: 1", "a"), "twice"),
            (post("Content-Length: +1", "a"), "no number"),
            (post("Content-Length: 0x1", "a"), "no number"),
            (post("Content-Length: 1,1", "a"), "no number"),
            (post("Content-Length: 1 1", "a"), "no number"),
            (post("Content-Length:", "a"), "no number"),
            (post("Content-Length: 9999999999999999999", "a"), "no number"),
            (post("Transfer-Encoding: gzip, chunked", ""), "once"),
            (post("Transfer-Encoding: chunked, chunked", ""), "once"),
            (post("Transfer-Encoding: xchunked", ""), "once"),
            (post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", ""), "once"),
            (post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", ""), "once"),
            (post("Transfer-Encoding : chunked", ""), "no name"),
            (post(" Transfer-Encoding: chunked", ""), "no name"),
            (post("X: a\r\n b", ""), "no colon"),
            (post("X: a\r\n b: c", ""), "no name"),
            (post("X: a\0b", ""), "control"),
            (post("X: a\rb", ""), "CR stands inside"),
            ("GET / HTTP/1.1\nHost: a\r\n\r\n".to_owned(), "without CR"),
            ("GET / HTTP/1.1\r\nHost: a\n\r\n".to_owned(), "without CR"),
            ("GET / HTTP/1.1\r\n\r\n".to_owned(), "one Host"),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".to_owned(), "one Host"),
            ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), "HTTP/1.0"),
            ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "first line"),
            ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "first line"),
            ("GET / HTTP/1.2\r\nHost: a\r\n\r\n".to_owned(), "version"),
            ("GET /\r\n\r\n".to_owned(), "version"),
            ("\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n".to_owned(), "first line"),
            (chunked("3\nabc\r\n0\r\n\r\n"), "without CR"),
            (chunked("3;a\nb\r\nabc\r\n0\r\n\r\n"), "without CR"),
            (chunked("0x3\r\nabc\r\n0\r\n\r\n"), "size of a chunk"),
            (chunked("\r\nabc\r\n0\r\n\r\n"), "size of a chunk"),
            (chunked("1234567890abcdef1\r\n"), "size of a chunk"),
            (chunked("3\r\nabcd\r\n0\r\n\r\n"), "longer than it said"),
            (chunked("0\r\nno trailer\r\n\r\n"), "no colon"),
        ] {
            let found = read(&text).expect_err(&text);
            assert!(found.contains(why), "{text:?}: {found}");
        }
    }

    #[test]
    fn the_end_of_a_head_that_is_refused_is_never_passed_on() {
        let text = b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
        let (passed, _) = Framing::default().read(text).unwrap_err();
        assert_eq!(passed, text.len() - 2);
        let long = format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(MAX_LINE));
        assert!(read(&long).unwrap_err().contains("too long"));
    }

    proptest! {
        /// However the bytes are cut, the verdict is the same.
        #[test]
        fn cuts_make_no_difference(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "GET / HTTP/1.1\r\n", "Host: a\r\n", "\r\n", "\n", "Content-Length: 3\r\n", "abc", "3\r\n", "0\r\n",
                "Transfer-Encoding: chunked\r\n", "\r", "x", ":",
            ]), 0..20),
            cut in 1usize..9,
        ) {
            let text = pieces.concat();
            let whole = Framing::default().read(text.as_bytes()).map_err(|(at, why)| (at, why.0));
            let (mut framing, mut passed, mut verdict) = (Framing::default(), 0, Ok(()));
            for piece in text.as_bytes().chunks(cut) {
                if let Err((at, why)) = framing.read(piece) {
                    verdict = Err((passed + at, why.0));
                    break;
                }
                passed += piece.len();
            }
            prop_assert_eq!(verdict.map_err(|(_, why)| why), whole.map_err(|(_, why)| why));
        }
    }
}
