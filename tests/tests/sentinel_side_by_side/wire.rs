//! Replies with the type that each part has on the wire: a text of one kind is not a text of another.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(5);

/// A part of a reply: its first byte, and what follows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Text(char, String),
    List(char, Vec<Part>),
}

impl Part {
    pub(crate) fn parts(&self) -> &[Part] {
        match self {
            Part::List(_, parts) => parts,
            Part::Text(..) => &[],
        }
    }

    pub(crate) fn text(&self) -> &str {
        match self {
            Part::Text(_, text) => text,
            Part::List(..) => "",
        }
    }
}

/// A connection.
pub(crate) struct Wire(BufReader<TcpStream>);

impl Wire {
    pub(crate) fn to(port: u16) -> Wire {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Wire(BufReader::new(stream))
    }

    pub(crate) fn call(&mut self, words: &[String]) -> Part {
        let mut text = format!("*{}\r\n", words.len());
        words.iter().for_each(|w| write!(text, "${}\r\n{w}\r\n", w.len()).unwrap());
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
        self.part(words)
    }

    fn part(&mut self, asked: &[String]) -> Part {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap_or_else(|e| panic!("{asked:?}: {e}"));
        let kind = line.chars().next().unwrap_or_else(|| panic!("{asked:?}: the connection has ended"));
        let rest = line[1..].trim_end().to_owned();
        let many = match kind {
            '*' | '~' | '>' => rest.parse::<usize>(),
            '%' => rest.parse::<usize>().map(|pairs| 2 * pairs),
            '$' | '=' => return self.bulk(kind, rest),
            _ => return Part::Text(kind, rest),
        };
        match many {
            Ok(many) => Part::List(kind, (0..many).map(|_| self.part(asked)).collect()),
            // Nothing, as an array.
            Err(_) => Part::Text(kind, rest),
        }
    }

    fn bulk(&mut self, kind: char, length: String) -> Part {
        let Ok(length) = length.parse::<usize>() else { return Part::Text(kind, length) };
        let mut bytes = vec![0; length + 2];
        self.0.read_exact(&mut bytes).unwrap();
        bytes.truncate(length);
        Part::Text(kind, String::from_utf8(bytes).unwrap())
    }

    /// Sends bytes and no more; all that comes back until the other side ends the connection.
    pub(crate) fn talk(mut self, sent: &[u8]) -> Vec<u8> {
        let stream = self.0.get_mut();
        // It may be closed already when the last of it is sent.
        let _ = stream.write_all(sent).and_then(|()| stream.shutdown(Shutdown::Write));
        let mut heard = Vec::new();
        match self.0.read_to_end(&mut heard) {
            Ok(_) => heard,
            // What was sent behind an error was thrown away.
            Err(e) if e.kind() == ErrorKind::ConnectionReset => heard,
            Err(e) => panic!("{:?}: {e}, after {:?}", text(sent), text(&heard)),
        }
    }
}

/// The beginning, which is enough to tell an answer by.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(2_000)]).into_owned()
}
