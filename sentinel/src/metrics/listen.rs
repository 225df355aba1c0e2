//! The port for scrapes: the least of HTTP/1.1 that Prometheus and curl need, bounded in all that a peer may send.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::Meters;
use super::text;
use crate::view::Views;

/// The longest request.
const REQUEST: usize = 8 * 1024;
/// How long a request and its answer may take together.
const PATIENCE: Duration = Duration::from_secs(5);
/// Requests at the same time; more wait.
const AT_ONCE: usize = 8;
/// The wait after a failure to accept: file descriptors may have run out.
const AGAIN: Duration = Duration::from_millis(100);

/// A port that listens and serves nobody yet.
#[derive(Debug)]
pub struct Admin(TcpListener);

impl Admin {
    /// Listens. Needs a tokio runtime.
    ///
    /// # Errors
    /// When it cannot listen there.
    pub fn bind(at: SocketAddr) -> io::Result<Admin> {
        let listener = std::net::TcpListener::bind(at)?;
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener).map(Admin)
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Answers until it is dropped.
    pub async fn serve(self, views: Views, meters: Arc<Meters>) {
        let room = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            // Never closed.
            let Ok(seat) = room.clone().acquire_owned().await else { return };
            match self.0.accept().await {
                Ok((stream, _)) => {
                    let (views, meters) = (views.clone(), meters.clone());
                    tokio::spawn(async move {
                        // A peer that goes away or dawdles is nobody's concern.
                        let _ = timeout(PATIENCE, answer(stream, &views, &meters)).await;
                        drop(seat);
                    });
                }
                Err(_) => sleep(AGAIN).await,
            }
        }
    }
}

async fn answer(mut stream: TcpStream, views: &Views, meters: &Meters) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|w| w == b"\r\n\r\n") {
        if request.len() >= REQUEST || stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let line = request.split(|b| *b == b'\r').next().unwrap_or_default();
    let mut words = line.split(|b| *b == b' ');
    let (status, body) = match (words.next(), words.next()) {
        (Some(b"GET"), Some(b"/metrics")) => {
            ("200 OK", text::text(&views.load(), &meters.tally(), &meters.saves, &meters.lag))
        }
        (Some(b"GET"), _) => ("404 Not Found", "only /metrics is here\n".to_owned()),
        _ => ("405 Method Not Allowed", "only GET\n".to_owned()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::RunId;
    use crate::view::View;

    async fn get(at: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        said
    }

    #[tokio::test]
    async fn a_scrape_and_what_is_none() {
        let admin = Admin::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let at = admin.address().unwrap();
        let serving = tokio::spawn(admin.serve(View::new(RunId::from_number(7)).shared(), Arc::default()));
        let said = get(at, "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let (head, body) = said.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("version=0.0.4"), "{head}");
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
        assert!(body.contains("mainstay_sentinel_current_epoch 0\n"));
        assert!(get(at, "GET / HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 404 "));
        assert!(get(at, "POST /metrics HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 405 "));
        assert_eq!(get(at, &"x".repeat(REQUEST)).await, "");
        serving.abort();
    }
}
