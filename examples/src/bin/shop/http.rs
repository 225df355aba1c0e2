//! As much of an HTTP/1.1 client as the check needs: GET on a connection that is kept.

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// The largest body that is read: more than any page.
const LONGEST: usize = 1 << 20;

/// A kept connection.
#[derive(Debug)]
pub(crate) struct Browser {
    pub(crate) address: String,
    stream: BufReader<TcpStream>,
}

impl Browser {
    /// Connects to `host:port`.
    pub(crate) async fn open(address: &str) -> Result<Self, String> {
        let stream = TcpStream::connect(address).await.map_err(|error| format!("connecting to {address}: {error}"))?;
        stream.set_nodelay(true).map_err(|error| format!("{address}: {error}"))?;
        Ok(Self { address: address.to_owned(), stream: BufReader::new(stream) })
    }

    /// The JSON at a path; anything but 200 is an error with the body in it.
    pub(crate) async fn get(&mut self, path: &str) -> Result<serde_json::Value, String> {
        let failed = |error: std::io::Error| format!("GET {path}: {error}");
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.address);
        self.stream.write_all(request.as_bytes()).await.map_err(failed)?;
        let (mut status, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).await.map_err(failed)?;
            match line.trim_end() {
                "" => break,
                line if status.is_empty() => status = line.to_owned(),
                line => {
                    let value = line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
                    length = value.and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(length);
                }
            }
        }
        let mut body = vec![0; length.min(LONGEST)];
        self.stream.read_exact(&mut body).await.map_err(failed)?;
        if !status.contains(" 200 ") {
            return Err(format!("GET {path}: {status}: {}", String::from_utf8_lossy(&body)));
        }
        serde_json::from_slice(&body).map_err(|error| format!("GET {path}: {error}"))
    }
}
