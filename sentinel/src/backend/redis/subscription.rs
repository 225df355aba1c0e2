//! The second connection to a data server, on which the hellos of all sentinels arrive.
//!
//! One's own hello comes back here every few seconds, so silence means that the connection is stuck.

use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::dial::{Access, Kind, dial};
use super::hello;
use crate::backend::{LinkId, Sink, Told};
use crate::core::event::{Event, Hello};
use crate::core::ids::RunId;
use crate::resp::Value;

/// After so much silence the connection is made anew.
const SILENCE: Duration = Duration::from_secs(15);
/// Between two attempts to connect: the first wait, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// A subscription that is kept. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Subscription(AbortHandle);

impl Subscription {
    pub(super) fn keep(link: LinkId, access: Access, sink: Sink) -> Subscription {
        Subscription(tokio::spawn(run(link, access, sink)).abort_handle())
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn run(link: LinkId, access: Access, sink: Sink) {
    let mut wait = WAITS.0;
    loop {
        if listen(link, &access, &sink).await {
            wait = WAITS.0;
        }
        sleep(wait).await;
        wait = (wait * 2).min(WAITS.1);
    }
}

/// Listens until the connection breaks or is silent; whether it stood at all.
async fn listen(link: LinkId, access: &Access, sink: &Sink) -> bool {
    let Ok(mut dialled) = dial(access, Kind::Subscription).await else { return false };
    let subscribe = access.names.words("SUBSCRIBE", &[hello::CHANNEL]);
    if dialled.ask(&[subscribe]).await.is_err() {
        return false;
    }
    while let Ok(Ok(message)) = timeout(SILENCE, dialled.next()).await {
        let Some(hello) = heard(&message, access.me) else { continue };
        if sink.send(Told { link, event: Event::Hello(hello), text: None }).await.is_err() {
            break;
        }
    }
    true
}

/// The hello of another sentinel.
fn heard(message: &Value, me: RunId) -> Option<Hello> {
    let [kind, _, payload] = message.as_list()? else { return None };
    if kind.as_str() != Some("message") {
        return None;
    }
    hello::parse(payload.as_str()?).filter(|h| h.peer != me)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hellos_of_others_are_heard() {
        let me = RunId::from_number(1);
        let text = |id: u64| format!("127.0.0.1,26379,{},7,m,127.0.0.1,6379,3", RunId::from_number(id));
        let message = |kind: &str, payload: &str| Value::bulks([kind, hello::CHANNEL, payload]);
        assert!(heard(&message("message", &text(2)), me).is_some());
        for other in
            [message("message", &text(1)), message("subscribe", &text(2)), message("message", "x"), Value::Null]
        {
            assert_eq!(heard(&other, me), None);
        }
    }
}
