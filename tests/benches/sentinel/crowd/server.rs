//! What a stand-in answers: as much of Redis as a sentinel asks. Pure.

/// One server.
#[derive(Debug)]
pub(super) struct Server {
    /// The port of its master; none: it is one.
    pub(super) follows: Option<u16>,
    /// Its replica, which a master lists.
    replica: Option<u16>,
    id: usize,
}

/// What a command leads to besides its reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Nothing,
    /// The connection receives what is published from now on.
    Subscribed,
    /// Everybody subscribed at this server receives this.
    Published(Vec<u8>),
}

/// What a connection is in the middle of.
#[derive(Debug, Default)]
pub(super) struct Transaction(Option<Vec<Vec<String>>>);

impl Server {
    pub(super) fn new(id: usize, follows: Option<u16>, replica: Option<u16>) -> Server {
        Server { follows, replica, id }
    }

    /// Answers a command into `out`.
    pub(super) fn answer(&mut self, words: &[String], transaction: &mut Transaction, out: &mut Vec<u8>) -> Effect {
        let name = words.first().map(|w| w.to_ascii_uppercase()).unwrap_or_default();
        match (name.as_str(), &mut transaction.0) {
            ("MULTI", _) => {
                transaction.0 = Some(Vec::new());
                out.extend_from_slice(b"+OK\r\n");
            }
            ("EXEC", queued) => {
                let queued = queued.take().unwrap_or_default();
                out.extend_from_slice(format!("*{}\r\n", queued.len()).as_bytes());
                queued.iter().for_each(|words| drop(self.execute(words, out)));
            }
            (_, Some(queued)) => {
                queued.push(words.to_vec());
                out.extend_from_slice(b"+QUEUED\r\n");
            }
            (_, None) => return self.execute(words, out),
        }
        Effect::Nothing
    }

    fn execute(&mut self, words: &[String], out: &mut Vec<u8>) -> Effect {
        let word = |i: usize| words.get(i).map(String::as_str).unwrap_or_default();
        match word(0).to_ascii_uppercase().as_str() {
            "PING" => out.extend_from_slice(b"+PONG\r\n"),
            "INFO" => {
                let text = self.info();
                out.extend_from_slice(format!("${}\r\n{text}\r\n", text.len()).as_bytes());
            }
            "ROLE" => out.extend_from_slice(self.role().as_bytes()),
            "SLAVEOF" | "REPLICAOF" => {
                self.follows = word(2).parse().ok();
                out.extend_from_slice(b"+OK\r\n");
            }
            "PUBLISH" => {
                out.extend_from_slice(b":1\r\n");
                return Effect::Published(bulks(&["message", word(1), word(2)]));
            }
            "SUBSCRIBE" => {
                out.extend_from_slice(
                    format!("*3\r\n$9\r\nsubscribe\r\n${}\r\n{}\r\n:1\r\n", word(1).len(), word(1)).as_bytes(),
                );
                return Effect::Subscribed;
            }
            _ => out.extend_from_slice(b"+OK\r\n"),
        }
        Effect::Nothing
    }

    fn role(&self) -> String {
        match self.follows {
            None => "*3\r\n$6\r\nmaster\r\n:100\r\n*0\r\n".to_owned(),
            Some(port) => {
                format!("*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:{port}\r\n$9\r\nconnected\r\n:100\r\n")
            }
        }
    }

    /// As long as that of a real one: 200 lines, 5 kB.
    fn info(&self) -> String {
        let mut text = format!("# Server\r\nredis_version:7.0.15\r\nrun_id:{:040x}\r\n", self.id + 1);
        (0..150).for_each(|n| text += &format!("some_figure_of_it_{n}:{}\r\n", 100_000 + n));
        text += "# Replication\r\n";
        text += &match self.follows {
            None => "role:master\r\n".to_owned(),
            Some(port) => format!(
                "role:slave\r\nmaster_host:127.0.0.1\r\nmaster_port:{port}\r\nmaster_link_status:up\r\nmaster_sync_in_progress:0\r\n\
                 slave_read_repl_offset:100\r\nslave_repl_offset:100\r\nslave_priority:100\r\nreplica_announced:1\r\n"
            ),
        };
        if let Some(port) = self.replica.filter(|_| self.follows.is_none()) {
            text += &format!("connected_slaves:1\r\nslave0:ip=127.0.0.1,port={port},state=online,offset=100,lag=0\r\n");
        }
        text += &format!("master_replid:{:040x}\r\nmaster_repl_offset:100\r\n", self.id / 2 + 1);
        (0..30).for_each(|n| text += &format!("some_more_{n}:{n}\r\n"));
        text
    }
}

fn bulks(words: &[&str]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len());
    words.iter().for_each(|w| out += &format!("${}\r\n{w}\r\n", w.len()));
    out.into_bytes()
}

/// The next command of a connection's input, and how many bytes it is; none while it is not all there.
pub(super) fn command(input: &[u8]) -> Option<(Vec<String>, usize)> {
    let mut at = 0;
    let many = number(input, &mut at, b'*')?;
    let words = (0..many).map(|_| {
        let len = number(input, &mut at, b'$')?;
        let word = String::from_utf8_lossy(input.get(at..at + len)?).into_owned();
        at += len + 2;
        Some(word)
    });
    let words = words.collect::<Option<Vec<String>>>()?;
    (at <= input.len()).then_some((words, at))
}

fn number(input: &[u8], at: &mut usize, kind: u8) -> Option<usize> {
    let rest = input.get(*at..)?;
    let end = rest.windows(2).position(|w| w == b"\r\n")?;
    *at += end + 2;
    (rest.first() == Some(&kind)).then(|| String::from_utf8_lossy(&rest[1..end]).parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_cut_out_of_what_has_come() {
        let line = bulks(&["SLAVEOF", "NO", "ONE"]);
        for end in 0..line.len() {
            assert_eq!(command(&line[..end]), None);
        }
        let (words, used) = command(&[&line[..], b"*1"].concat()).unwrap();
        assert_eq!((words.join(" "), used), ("SLAVEOF NO ONE".to_owned(), line.len()));
    }

    #[test]
    fn a_transaction_makes_it_a_master() {
        let mut server = Server::new(1, Some(6), None);
        let (mut transaction, mut out) = (Transaction::default(), Vec::new());
        for line in ["MULTI", "SLAVEOF NO ONE", "CONFIG REWRITE", "EXEC", "ROLE"] {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(server.answer(&words, &mut transaction, &mut out), Effect::Nothing);
        }
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("+QUEUED\r\n*2\r\n+OK\r\n+OK\r\n") && text.contains("master"), "{text}");
        assert!(server.info().contains("role:master") && (4_000..6_000).contains(&server.info().len()));
    }
}
