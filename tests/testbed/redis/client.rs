//! A client that is slow-witted on purpose: blocking, and it knows only what a test asks. It is no code of ours under
//! test, so that a mistake of ours in RESP shows itself against it.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// The longest wait for one reply.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A status or a bulk.
    Text(String),
    /// An error.
    Error(String),
    /// A number.
    Int(i64),
    /// Nothing.
    Null,
    /// Several.
    Array(Vec<Reply>),
}

impl Reply {
    /// As text; a number in digits, nothing and several as an empty text.
    pub fn text(&self) -> String {
        match self {
            Reply::Text(t) | Reply::Error(t) => t.clone(),
            Reply::Int(n) => n.to_string(),
            Reply::Null | Reply::Array(_) => String::new(),
        }
    }

    /// The elements of an array; none of anything else.
    pub fn items(&self) -> &[Reply] {
        match self {
            Reply::Array(items) => items,
            _ => &[],
        }
    }
}

/// A connection that sends a command and waits for its reply.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects to a port of 127.0.0.1; a reply may take 5 s.
    ///
    /// # Errors
    /// When it cannot.
    pub fn to(port: u16) -> io::Result<Client> {
        Client::within(port, PATIENCE)
    }

    /// Connects to a port of 127.0.0.1; connection and reply may take `patience` each.
    ///
    /// # Errors
    /// When it cannot.
    pub fn within(port: u16, patience: Duration) -> io::Result<Client> {
        Client::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), patience)
    }

    /// Connects to an address; connection and reply may take `patience` each.
    ///
    /// # Errors
    /// When it cannot.
    pub fn connect(to: SocketAddr, patience: Duration) -> io::Result<Client> {
        Client::connect_for(to, patience, patience)
    }

    /// Connects to an address within `soon`; a reply may take `patience`.
    ///
    /// # Errors
    /// When it cannot.
    pub fn connect_for(to: SocketAddr, soon: Duration, patience: Duration) -> io::Result<Client> {
        let stream = TcpStream::connect_timeout(&to, soon)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        Ok(Client { stream: BufReader::new(stream) })
    }

    /// Sends a command and waits for its reply; an error reply is a reply.
    ///
    /// # Errors
    /// When the connection breaks, or no reply comes in time.
    pub fn call(&mut self, words: &[&str]) -> io::Result<Reply> {
        self.send(words)?;
        self.reply()
    }

    /// Sends a command.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn send(&mut self, words: &[&str]) -> io::Result<()> {
        let mut text = format!("*{}\r\n", words.len());
        words.iter().for_each(|w| text.push_str(&format!("${}\r\n{w}\r\n", w.len())));
        self.stream.get_mut().write_all(text.as_bytes())
    }

    /// The next reply, or message of a subscription.
    ///
    /// # Errors
    /// When the connection breaks, nothing comes in time, or it is no RESP2.
    pub fn reply(&mut self) -> io::Result<Reply> {
        let line = self.line()?;
        let (kind, rest) = line.split_at_checked(1).ok_or_else(|| bad(&line))?;
        let number = || rest.parse::<i64>().map_err(|_| bad(&line));
        match kind {
            "+" => Ok(Reply::Text(rest.to_owned())),
            "-" => Ok(Reply::Error(rest.to_owned())),
            ":" => Ok(Reply::Int(number()?)),
            "$" | "*" if rest == "-1" => Ok(Reply::Null),
            "$" => self.bulk(number()? as usize),
            "*" => (0..number()?).map(|_| self.reply()).collect::<io::Result<_>>().map(Reply::Array),
            _ => Err(bad(&line)),
        }
    }

    fn bulk(&mut self, len: usize) -> io::Result<Reply> {
        let mut bytes = vec![0; len + 2];
        io::Read::read_exact(&mut self.stream, &mut bytes)?;
        bytes.truncate(len);
        Ok(Reply::Text(String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.truncate(line.trim_end_matches(['\r', '\n']).len());
        Ok(line)
    }
}

fn bad(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no RESP2: `{line}`"))
}
