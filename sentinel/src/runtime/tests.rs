//! The loop by itself: what operators and peers ask, and a disk that refuses.

use super::saving::{SAVED, UNSAVED};
use super::*;
use crate::core::config::Settings;
use crate::core::durable::Durable;
use crate::core::event::Question;
use crate::core::ids::{Address, Epoch, MasterName, RunId};
use crate::scratch::Dir;
use crate::view::Tuning;

const ME: RunId = RunId::from_number(7);

fn start() -> (Dir, Handles, tokio::task::JoinHandle<End>) {
    let dir = Dir::new("runtime");
    let store = Store::open(&dir.0).unwrap();
    let (runtime, handles) = Runtime::new(Setup::new(Durable::new(ME), store, 26379, 1));
    let running = tokio::spawn(runtime.run(std::future::pending()));
    (dir, handles, running)
}

async fn operate(handles: &Handles, request: event::Request) -> Result<(), Refusal> {
    let (reply, answer) = oneshot::channel();
    handles.requests.send(Request::Operator(request, reply)).await.unwrap();
    answer.await.unwrap()
}

fn monitor() -> event::Request {
    // A port at which nobody listens: the loop is tested here, not the link.
    event::Request::Monitor { master: "m".into(), address: Address::new("127.0.0.1", 1), settings: Settings::new(1) }
}

#[tokio::test]
async fn an_operator_is_answered_when_it_shows_and_is_on_disk() {
    let (dir, handles, running) = start();
    let mut notices = handles.published.subscribe();
    assert_eq!(operate(&handles, monitor()).await, Ok(()));
    assert!(handles.views.load().masters.contains_key(&MasterName::from("m")));
    let text = std::fs::read_to_string(dir.0.join("state")).unwrap();
    assert!(text.contains("\nmaster m 127.0.0.1 1 0\n"), "{text}");
    assert_eq!(notices.recv().await.unwrap().channel, "+monitor");
    assert_eq!(operate(&handles, monitor()).await, Err(Refusal::DuplicateName));
    handles.requests.send(Request::Shutdown).await.unwrap();
    assert_eq!(running.await.unwrap(), End::Told);
}

#[tokio::test]
async fn a_disk_that_refuses_is_an_answer() {
    let (dir, handles, _running) = start();
    let mut notices = handles.published.subscribe();
    std::fs::remove_dir_all(&dir.0).unwrap();
    assert_eq!(operate(&handles, monitor()).await, Err(Refusal::NotSaved));
    let told = notices.recv().await.unwrap();
    assert_eq!((told.channel, handles.views.load().unsaved.as_deref()), (UNSAVED, Some(&*told.payload)));
    std::fs::create_dir_all(&dir.0).unwrap();
    // By itself: nobody asks for anything.
    while notices.recv().await.unwrap().channel != SAVED {}
    assert_eq!(handles.views.load().unsaved, None);
    assert_eq!(operate(&handles, event::Request::Flush).await, Ok(()));
}

#[tokio::test]
async fn a_disk_that_refuses_takes_the_vote_out_of_an_answer_and_not_what_is_seen() {
    let (dir, handles, _running) = start();
    operate(&handles, monitor()).await.unwrap();
    std::fs::remove_dir_all(&dir.0).unwrap();
    let address = Address::new("127.0.0.1", 1);
    let question = Question { address, epoch: Epoch(3), candidate: Some(RunId::from_number(9)), planned: true };
    let (reply, answer) = oneshot::channel();
    handles.requests.send(Request::Asked(question, reply)).await.unwrap();
    let told = answer.await.unwrap();
    assert_eq!((told.leader, told.leader_epoch), (None, Epoch(0)));
}

#[tokio::test]
async fn a_vote_is_on_disk_when_it_is_spoken() {
    let (dir, handles, _running) = start();
    operate(&handles, monitor()).await.unwrap();
    let candidate = RunId::from_number(9);
    let question =
        Question { address: Address::new("127.0.0.1", 1), epoch: Epoch(3), candidate: Some(candidate), planned: true };
    let (reply, answer) = oneshot::channel();
    handles.requests.send(Request::Asked(question, reply)).await.unwrap();
    let answer = answer.await.unwrap();
    assert_eq!((answer.leader, answer.leader_epoch), (Some(candidate), Epoch(3)));
    let text = std::fs::read_to_string(dir.0.join("state")).unwrap();
    assert!(text.contains(&format!("\nvote 3 {candidate}\n")), "{text}");
}

#[tokio::test]
async fn tuning_and_simulated_failures_show() {
    let (_dir, handles, _running) = start();
    let (reply, answer) = oneshot::channel();
    let tuning = Tuning { script_max_runtime: 5, ..Tuning::default() };
    handles.requests.send(Request::Tune(tuning.clone(), reply)).await.unwrap();
    answer.await.unwrap();
    assert_eq!(handles.views.load().tuning, tuning);
    let (reply, answer) = oneshot::channel();
    let simulated = SimulatedFailures { after_election: true, after_promotion: false };
    handles.requests.send(Request::Simulate(simulated, reply)).await.unwrap();
    answer.await.unwrap();
    assert_eq!(handles.views.load().simulated, simulated);
}
