//! One of three members is killed, and another takes its place; or nobody tells of it, since the registry is away.

use std::{future::pending, sync::Mutex, time::Duration};

use rustix::process::Signal;
use testbed::zookeeper;
use tokio::time::{Instant, sleep_until};

use crate::bed::{
    load::Called,
    members::{Member, Members},
    noticed::{Fault, is_hardly_noticed},
};

/// How long until another one takes its place.
const GONE: Duration = Duration::from_secs(2);

/// kill -9, and a new one after a while.
struct Replaced;

impl Fault for Replaced {
    fn told(&self) -> &'static str {
        "one is killed, and another starts two seconds later"
    }

    async fn happen(&self, members: &Members, member: &Member) {
        member.process.signal(Signal::KILL).unwrap();
        sleep_until(Instant::now() + GONE).await; // slow on purpose: nobody takes its place so long
        let _new = members.another().await;
        pending().await
    }

    async fn met(&self, members: &Members, member: &Member, calls: &[&Called<String>]) -> (u64, &'static str) {
        let known: Vec<String> = members.all.iter().map(Member::name).collect();
        assert!(known.contains(&member.name()));
        let by_the_new = |call: &&&Called<String>| call.came.as_ref().is_ok_and(|by| !known.contains(by));
        (calls.iter().filter(by_the_new).count() as u64, "answers of the new one")
    }
}

/// kill -9 of a member, and of the registry just before.
struct Unseen(Mutex<zookeeper::Server>);

impl Fault for Unseen {
    fn told(&self) -> &'static str {
        "the registry is killed, and one just after it"
    }

    async fn happen(&self, _: &Members, member: &Member) {
        self.0.lock().unwrap().process().kill().unwrap();
        member.process.signal(Signal::KILL).unwrap();
        pending().await
    }

    async fn met(&self, _: &Members, member: &Member, calls: &[&Called<String>]) -> (u64, &'static str) {
        let late = |call: &&&Called<String>| call.came.as_ref() == Ok(&member.name());
        assert!(calls.iter().filter(late).count() < 3, "it answers no more");
        (u64::from(self.0.lock().unwrap().mode().is_empty()) * 2, "processes")
    }
}

#[test]
fn a_member_that_is_killed_and_replaced_is_hardly_noticed() {
    is_hardly_noticed("a_member_that_is_killed_and_replaced_is_hardly_noticed", Replaced, &Members::here());
}

#[test]
fn a_member_that_dies_after_its_registry_is_hardly_noticed() {
    let server = zookeeper::Server::start("zookeeper");
    let members = Members::found_by(format!("zookeeper://{}/members?session=2000", server.address()));
    let name = "a_member_that_dies_after_its_registry_is_hardly_noticed";
    is_hardly_noticed(name, Unseen(Mutex::new(server)), &members);
}
