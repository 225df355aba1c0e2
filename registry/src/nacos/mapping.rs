//! The mapping of one interface: the list of the applications that offer it, which the server tells changes of.

use std::{sync::Arc, time::Duration};

use tokio::{runtime::Handle, sync::watch, task::JoinHandle, time::sleep};

use super::{
    link::{Link, Standing},
    session::{NoAnswer, Session},
    text::TextName,
    topic::{Sight, Subject, again, for_ever},
};

/// How long until one that was refused is asked for again: it may have been an old token.
const REFUSED_AGAIN: Duration = Duration::from_secs(5);

/// A mapping that is followed for as long as somebody holds this.
#[derive(Debug)]
pub(super) struct Mapping {
    name: TextName,
    standing: watch::Receiver<Standing>,
    task: JoinHandle<()>,
}

impl Mapping {
    /// Follows the list `name` on the current runtime; none without one. What is told is the list, empty where there is none.
    pub(super) fn follow(link: &Link, name: TextName) -> Option<(Self, watch::Receiver<Sight<String>>)> {
        let runtime = Handle::try_current().ok()?;
        let (told, sight) = watch::channel(Sight::default());
        let task = runtime.spawn(for_ever(Following { name: name.clone() }, link.standing(), told));
        Some((Self { name, standing: link.standing(), task }, sight))
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        self.task.abort();
        let session = self.standing.borrow().session.clone();
        if let (Some(session), Ok(runtime)) = (session, Handle::try_current()) {
            let name = self.name.clone();
            runtime.spawn(async move { session.hear_no_more(&name).await });
        }
    }
}

/// The task.
#[derive(Debug)]
struct Following {
    name: TextName,
}

impl Subject for Following {
    type Said = String;

    /// Asks to be told first, then reads.
    async fn follow(
        &mut self,
        session: &Session,
        standing: &mut watch::Receiver<Standing>,
        told: &watch::Sender<Sight<String>>,
    ) -> Result<(), String> {
        loop {
            let news = match session.listen(&self.name).await {
                Ok(news) => session.text(&self.name).await.map(|list| (list.unwrap_or_default(), Some(news))),
                Err(why) => Err(why),
            };
            let (list, mut news) = match news {
                Ok(read) => read,
                // Whoever has no right to it, and where the server keeps no texts: the interface level is all there is.
                Err(NoAnswer::Refused(why)) => {
                    tracing::debug!(mapping = %self.name, %why, "the applications of an interface are not told");
                    (String::new(), None)
                }
                Err(why) => return Err(format!("reading {}: {why}", self.name)),
            };
            told.send_replace(Sight::Said(Arc::new(list)));
            let look_again = if news.is_some() { again() } else { REFUSED_AGAIN };
            let changed = async {
                match &mut news {
                    Some(news) => drop(news.changed().await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = changed => {}
                _ = standing.changed() => return Ok(()),
                () = sleep(look_again) => {}
            }
        }
    }
}
