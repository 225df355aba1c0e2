//! The one loop: whatever happens becomes an event, the core decides, and what it decides is carried out in order.
//!
//! Only here the core is stepped. An action ends before the next begins; `Persist` waits for the disk, everything else is
//! handed to somebody who may be slow on their own time: links to servers and peers, scripts, the port's subscribers.
//! What becomes of it comes back as an event.
//!
//! | file | what it is |
//! |---|---|
//! | `setup` | what it begins with, what others need of it, how it ends |
//! | `clock` | the monotonic clock, in the core's milliseconds |
//! | `saving` | the state on its way to the disk |
//! | `links` | the links to servers and peers, and what is sent on them |
//! | `picture` | the core's state as the port shows it; pure |
//! | `log` | a notice as a line of the log |
//! | `queue` | which script runs when; pure |
//! | `scripts` | scripts as processes |
//! | `conf_file` | `sentinel.conf`, rewritten behind the loop |

mod clock;
mod conf_file;
mod links;
mod log;
mod picture;
mod queue;
mod saving;
mod scripts;
mod setup;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot};

pub use clock::Clock;
pub use conf_file::{Conf, ConfCopy, rewrite};
pub use setup::{End, Handles, Setup};

use crate::backend::Told;
use crate::core::action::{Action, Refusal, Script, Task};
use crate::core::event::{self, Answer, Event, Failure};
use crate::core::ids::{Epoch, Millis, ReplyTo, Target, Ticket};
use crate::core::notice::{Notice, What};
use crate::core::state::Sentinel;
use crate::history::Journal;
use crate::metrics::Meters;
use crate::request::{Published, Request};
use crate::store::Store;
use crate::view::{SimulatedFailures, View, Views};
use conf_file::ConfFile;
use links::Links;
use picture::Infos;
use scripts::Scripts;

/// What links may have told before they wait for the loop.
const INBOX: usize = 4_096;
/// What connections may have asked before they wait for the loop.
const REQUESTS: usize = 1_024;
/// What a subscriber may be behind before it misses something.
const SUBSCRIBERS: usize = 4_096;
/// How old the picture may get for what no notice tells of, in milliseconds.
const PICTURE_AGE: u64 = 1_000;
/// The most events that share one write to the disk.
const BATCH: usize = 256;

/// The loop.
#[derive(Debug)]
pub struct Runtime {
    core: Sentinel,
    clock: Clock,
    store: Arc<Store>,
    conf: ConfFile,
    links: Links,
    infos: Infos,
    inbox: mpsc::Receiver<Told>,
    requests: mpsc::Receiver<Request>,
    views: Views,
    view: View,
    shown: Millis,
    published: broadcast::Sender<Published>,
    scripts: Scripts,
    journal: Journal,
    meters: Arc<Meters>,
    asked: BTreeMap<ReplyTo, oneshot::Sender<Answer>>,
    operators: BTreeMap<ReplyTo, Operator>,
    replies: u64,
    wake: Millis,
    next: VecDeque<Event>,
    end: Option<End>,
}

/// An operator who waits.
#[derive(Debug)]
struct Operator {
    reply: oneshot::Sender<Result<(), Refusal>>,
    /// The answer waits for `sentinel.conf`.
    on_disk: bool,
}

impl Runtime {
    /// Sets the loop up; [`run`](Self::run) runs it. Needs a tokio runtime.
    pub fn new(setup: Setup) -> (Runtime, Handles) {
        let clock = Clock::new();
        let (sink, inbox) = mpsc::channel(INBOX);
        let (sender, requests) = mpsc::channel(REQUESTS);
        let (published, _) = broadcast::channel(SUBSCRIBERS);
        let meters = Arc::<Meters>::default();
        let counted = meters.clone();
        let links = Links::new(sink, setup.durable.me, setup.port, setup.requirepass).encrypted(setup.tls);
        let view = View::new(setup.durable.me);
        let views = view.clone().shared();
        let core = Sentinel::new(setup.durable, setup.seed, clock.now());
        let mut runtime = Runtime {
            core,
            clock: clock.clone(),
            store: Arc::new(setup.store),
            conf: ConfFile::keep(setup.conf),
            links,
            infos: Infos::new(),
            inbox,
            requests,
            views: views.clone(),
            view,
            shown: Millis::default(),
            published: published.clone(),
            scripts: Scripts::default(),
            journal: Journal::keep(setup.history, move |entry| counted.count(entry)),
            meters: meters.clone(),
            asked: BTreeMap::new(),
            operators: BTreeMap::new(),
            replies: 0,
            wake: Millis::default(),
            next: VecDeque::new(),
            end: None,
        };
        runtime.show();
        (runtime, Handles { views, requests: sender, published, clock, meters })
    }

    /// Runs until `stop` is ready or the port asks for the end; `sentinel.conf` is up to date then.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> End {
        tokio::pin!(stop);
        self.feed(Event::Timer).await;
        loop {
            if let Some(end) = self.end {
                if end == End::Told {
                    self.conf.finish().await;
                    self.journal.finish().await;
                }
                return end;
            }
            let wake = self.wake.min(self.scripts.wake(&self.view.tuning)).min(self.shown.after(PICTURE_AGE));
            tokio::select! {
                Some(told) = self.inbox.recv() => {
                    if let Some(event) = self.note(told) {
                        self.feed(event).await;
                    }
                }
                Some(request) = self.requests.recv() => self.requested(request).await,
                ended = self.scripts.end() => {
                    let trouble = self.scripts.ended(ended, self.clock.now(), &self.view.tuning);
                    self.publish_troubles(trouble);
                }
                () = self.clock.until(wake) => self.timer(wake).await,
                () = &mut stop => self.end = Some(End::Told),
            }
        }
    }

    async fn timer(&mut self, due: Millis) {
        let now = self.clock.now();
        self.meters.lag.add(Duration::from_millis(now.since(due)));
        let troubles = self.scripts.tend(now, &self.view.tuning);
        self.publish_troubles(troubles);
        if self.wake <= now {
            self.feed(Event::Timer).await;
        }
        if now.since(self.shown) >= PICTURE_AGE {
            if self.view.unsaved.is_some() {
                // There may be room by now, and nobody may have asked for a promise since.
                self.persist(self.core.durable()).await;
            }
            self.show();
        }
    }

    /// Takes in what a link told; an event, if it is one still.
    fn note(&mut self, told: Told) -> Option<Event> {
        // An outcome counts whatever became of the link; anything else of a link that was given up does not.
        if !matches!(told.event, Event::Done(..)) && !self.links.stands(told.link) {
            return None;
        }
        match &told.event {
            Event::LinkUp(Target::Peer(id)) => self.links.identify(id),
            Event::Report { from, .. } => {
                if let Some(text) = told.text {
                    self.infos.insert(from.clone(), (self.clock.now(), text));
                }
            }
            _ => {}
        }
        Some(told.event)
    }

    async fn requested(&mut self, request: Request) {
        match request {
            Request::Operator(request, reply) => {
                use event::Request::{Flush, Monitor, Remove, Reset, Set, SetGlobals};
                let on_disk =
                    matches!(request, Flush | Monitor { .. } | Remove(_) | Reset(_) | Set(..) | SetGlobals(_));
                let to = self.reply_to();
                self.operators.insert(to, Operator { reply, on_disk });
                self.feed(Event::Request(to, request)).await;
            }
            Request::Asked(question, reply) => {
                let to = self.reply_to();
                self.asked.insert(to, reply);
                self.feed(Event::Asked { reply_to: to, question }).await;
                // A question that the core leaves without an answer is one to nobody.
                self.asked.remove(&to);
            }
            Request::WhyNot(name, reply) => {
                // Who asked may have gone.
                let _ = reply.send(self.core.why_not(&name, self.clock.now()));
            }
            Request::Hello(hello) => self.feed(Event::Hello(hello)).await,
            Request::Tune(tuning, reply) => self.set_up(|view| view.tuning = tuning, reply),
            Request::Simulate(simulated, reply) => self.set_up(|view| view.simulated = simulated, reply),
            Request::Shutdown => self.end = Some(End::Told),
        }
    }

    fn set_up(&mut self, change: impl FnOnce(&mut View), reply: oneshot::Sender<()>) {
        change(&mut self.view);
        self.show();
        // Who asked may have gone.
        let _ = reply.send(());
    }

    fn reply_to(&mut self) -> ReplyTo {
        self.replies += 1;
        ReplyTo(self.replies)
    }

    /// Steps the core with an event, with what follows from it at once, and with what links told meanwhile.
    async fn feed(&mut self, event: Event) {
        self.next.push_back(event);
        while !self.next.is_empty() && self.end.is_none() {
            self.batch().await;
        }
    }

    /// Carries the lists of several events out, each in order. They share one write: the state of the last one holds
    /// those of all, and whatever follows a `Persist`, in its list or a later one, waits until it is done. Only what
    /// needs no promise (links, questions) goes ahead.
    async fn batch(&mut self) {
        let (mut durable, mut promises) = (None, Vec::new());
        for _ in 0..BATCH {
            let Some(event) = self.waiting() else { break };
            for action in self.core.step(event, self.clock.now()) {
                match action {
                    Action::Persist(state) => durable = Some(state),
                    action if durable.is_none() || action.is_free() => self.act(action),
                    action => promises.push(action),
                }
                if self.end.is_some() {
                    return;
                }
            }
        }
        let saved = match durable {
            Some(state) => self.persist(*state).await,
            None => true,
        };
        if !saved {
            self.next.push_front(Event::PersistFailed);
            return promises.into_iter().for_each(|dropped| self.drop_action(dropped));
        }
        for action in promises {
            self.act(action);
            if self.end.is_some() {
                return;
            }
        }
    }

    /// The next event that waits.
    fn waiting(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.next.pop_front() {
                return Some(event);
            }
            let told = self.inbox.try_recv().ok()?;
            if let Some(event) = self.note(told) {
                return Some(event);
            }
        }
    }

    /// What becomes of an action that rests on a state that was not saved.
    fn drop_action(&mut self, action: Action) {
        match action {
            Action::Do(ticket, _) => self.next.push_back(Event::Done(ticket, Err(Failure::NotSent))),
            Action::Reply(to, _) => self.reply(to, Err(Refusal::NotSaved)),
            // What it sees is no promise; a vote is one.
            Action::Answer(to, answer) => {
                self.act(Action::Answer(to, Answer { leader: None, leader_epoch: Epoch::default(), ..answer }));
            }
            _ => {}
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Persist(_) => {}
            Action::Connect(target, address) => self.links.connect(&self.core, target, address),
            Action::Disconnect(target) => {
                self.links.disconnect(&target);
                if let Target::Server(server) = &target {
                    self.infos.remove(server);
                }
            }
            Action::Reconnect(target) => self.links.reconnect(&self.core, &target),
            Action::Ping(target) => self.links.ping(&target),
            Action::Inspect { server, asked } => self.links.inspect(&server, asked),
            Action::Ask { peer, master, asked, question } => self.links.ask(&peer, master, asked, &question),
            Action::Answer(to, answer) => {
                if let Some(reply) = self.asked.remove(&to) {
                    // The peer may have gone.
                    let _ = reply.send(answer);
                }
            }
            Action::PublishHello(target, hello) => self.links.publish(&self.core, &target, &hello),
            Action::KillScript(server) => self.links.kill_script(&server),
            Action::Do(ticket, task) => self.start(ticket, task),
            Action::Announce(notice) => self.announce(notice),
            Action::RunScript(script) => self.run_script(script),
            Action::Reply(to, result) => self.reply(to, result),
            Action::WakeAt(at) => self.wake = at,
        }
    }

    fn start(&mut self, ticket: Ticket, task: Task) {
        if let Task::Fence { master, script, old, new } = task {
            let words = [old.host.to_string(), old.port.to_string(), new.host.to_string(), new.port.to_string()];
            let args = [&[master.to_string()], words.as_slice()].concat();
            let longest = Duration::from_millis(self.view.tuning.script_max_runtime);
            self.links.run(ticket, scripts::fence(Script { path: script, args }, longest));
        } else if !self.links.start(ticket, &task) {
            self.next.push_back(Event::Done(ticket, Err(Failure::NotSent)));
        }
    }

    fn run_script(&mut self, script: Script) {
        let now = self.clock.now();
        self.scripts.push(script, now);
        let troubles = self.scripts.tend(now, &self.view.tuning);
        self.publish_troubles(troubles);
    }

    fn announce(&mut self, notice: Notice) {
        let (channel, payload) = (notice.channel(), notice.payload());
        log::log(&notice, &payload);
        match &notice.subject {
            // Who hears of it and looks must see it.
            Some(subject) => self.show_master(&subject.master),
            None => self.show(),
        }
        self.publish(channel, payload);
        let SimulatedFailures { after_election, after_promotion } = self.view.simulated;
        let crash = match notice.what {
            What::ElectedLeader => after_election,
            What::PromotedReplica => after_promotion,
            _ => false,
        };
        if crash {
            tracing::warn!("a failure is simulated: the process ends");
            self.end = Some(End::Simulated);
        }
        self.journal.note(notice);
    }

    fn publish_troubles(&mut self, troubles: impl IntoIterator<Item = scripts::Trouble>) {
        for (channel, payload) in troubles {
            tracing::warn!("{channel} {payload}");
            self.publish(channel, payload);
        }
    }

    fn publish(&self, channel: &'static str, payload: String) {
        // Nobody may have subscribed.
        let _ = self.published.send(Published { channel, payload: payload.into() });
    }

    fn reply(&mut self, to: ReplyTo, result: Result<(), Refusal>) {
        let Some(Operator { reply, on_disk }) = self.operators.remove(&to) else { return };
        self.show();
        if on_disk && result.is_ok() {
            self.conf.flush(Arc::new(self.core.durable()), reply);
        } else {
            // Who asked may have gone.
            let _ = reply.send(result);
        }
    }

    /// Makes the whole picture anew.
    fn show(&mut self) {
        self.shown = self.clock.now();
        self.view.scripts = self.scripts.view();
        picture::draw(&mut self.view, &self.core, &self.links, &self.infos);
        self.views.store(Arc::new(self.view.clone()));
    }

    /// Makes the picture of one master anew.
    fn show_master(&mut self, name: &crate::core::ids::MasterName) {
        picture::draw_master(&mut self.view, &self.core, name, &self.links, &self.infos);
        self.views.store(Arc::new(self.view.clone()));
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
