//! What systemd is told of a service (`Type=notify`): datagrams to the socket that `NOTIFY_SOCKET` names, as
//! sd_notify(3) describes them. Nothing is told where nobody listens.

use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Where it is told, and how often the watchdog wants to hear.
#[derive(Debug)]
pub(super) struct Notify {
    to: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// By the variables that systemd sets; `var` reads one, `process` is this one's id.
    pub(super) fn new(var: impl Fn(&str) -> Option<OsString>, process: u32) -> Notify {
        let socket = var("NOTIFY_SOCKET").and_then(|name| match address(&name).and_then(|to| Ok((open()?, to))) {
            Ok(socket) => Some(socket),
            Err(error) => {
                tracing::warn!(%error, "NOTIFY_SOCKET cannot be used");
                None
            }
        });
        let number = |name: &str| var(name)?.to_str()?.parse::<u64>().ok();
        let mine = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(process));
        let watchdog = number("WATCHDOG_USEC").filter(|us| mine && *us > 0).map(Duration::from_micros);
        Notify { watchdog: watchdog.filter(|_| socket.is_some()), to: socket }
    }

    /// It serves; `status` is shown by `systemctl status`.
    pub(super) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    /// It ends.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Tells twice in each period of the watchdog that all is well, as long as `turns` has risen since. Never ends.
    pub(super) async fn keep_watchdog(&self, turns: impl Fn() -> u64) {
        let Some(period) = self.watchdog else { return std::future::pending().await };
        let mut last = None;
        loop {
            let now = Some(turns());
            if now != last {
                self.tell("WATCHDOG=1");
            }
            last = now;
            tokio::time::sleep(period / 2).await;
        }
    }

    fn tell(&self, text: &str) {
        if let Some((socket, to)) = &self.to
            && let Err(error) = socket.send_to_addr(text.as_bytes(), to)
        {
            tracing::debug!(%error, "systemd was not told");
        }
    }
}

fn open() -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    // A manager that does not read must not stop the loop.
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// A path, or a name of the abstract kind after `@`.
fn address(name: &OsString) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(name: &str) -> (UnixDatagram, OsString) {
        let name = format!("mainstay-notify-{name}-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        (socket, format!("@{name}").into())
    }

    fn heard(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 256];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    #[test]
    fn what_is_told_arrives() {
        let (socket, name) = listener("told");
        let notify = Notify::new(|var| (var == "NOTIFY_SOCKET").then(|| name.clone()), 7);
        notify.ready("two masters");
        notify.stopping();
        assert_eq!([heard(&socket), heard(&socket)], ["READY=1\nSTATUS=two masters", "STOPPING=1"]);
    }

    #[test]
    fn nobody_is_told_without_a_socket_and_the_watchdog_is_of_one_process() {
        let none = Notify::new(|_| None, 7);
        none.ready("x");
        assert!(none.to.is_none() && none.watchdog.is_none());
        let (_socket, name) = listener("watch");
        let notify = |pid: &'static str| {
            Notify::new(
                |var| match var {
                    "NOTIFY_SOCKET" => Some(name.clone()),
                    "WATCHDOG_USEC" => Some("3000000".into()),
                    _ => Some(pid.into()),
                },
                7,
            )
        };
        assert_eq!(notify("7").watchdog, Some(Duration::from_secs(3)));
        assert_eq!(notify("8").watchdog, None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_hears_of_a_loop_that_turns_and_of_no_other() {
        let (socket, name) = listener("turns");
        let watched = Notify::new(
            |var| match var {
                "NOTIFY_SOCKET" => Some(name.clone()),
                "WATCHDOG_USEC" => Some("2000000".into()),
                _ => None,
            },
            7,
        );
        let turns = std::cell::Cell::new(0);
        let turn = || {
            // It hangs after its third turn.
            turns.set(std::cmp::min(turns.get() + 1, 3));
            turns.get()
        };
        let kept = tokio::time::timeout(Duration::from_secs(30), watched.keep_watchdog(turn)).await;
        assert!(kept.is_err());
        watched.stopping();
        let said: Vec<String> = (0..4).map(|_| heard(&socket)).collect();
        assert_eq!(said, ["WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1", "STOPPING=1"]);
    }
}
