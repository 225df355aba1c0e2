//! A method that computes for long does not stop the others on its connection for ever.

use crate::{
    bed::Bed,
    peer::{self, ask, framed, numbers},
};
use bytes::Bytes;
use h2::client::SendRequest;
use mainstay::transport::Http2Limits;
use std::{collections::BTreeSet, time::Duration};
use tokio::time;

/// The tasks that some calls, one after the other, were answered in.
async fn tasks_of(peer: &mut SendRequest<Bytes>, calls: usize) -> BTreeSet<Vec<u8>> {
    let mut tasks = BTreeSet::new();
    for _ in 0..calls {
        tasks.insert(ask(peer, "Compute", &framed(&[])).await.body);
    }
    tasks
}

// While the clock is paused no poll takes any time: what the machine does meanwhile changes nothing.
#[tokio::test(start_paused = true)]
async fn one_long_call_moves_its_method_into_tasks_for_a_while() {
    let bed = Bed::new(Http2Limits::default());
    let mut peer = peer::connect(bed.io().await).await;
    let inline = tasks_of(&mut peer, 20).await;
    assert_eq!(inline.len(), 1, "short calls are answered in the connection's own task");
    time::resume();
    let long = ask(&mut peer, "Compute", &numbers(&[5000])).await;
    time::pause();
    assert!(inline.contains(&long.body));
    let tasks = tasks_of(&mut peer, 20).await;
    assert!(tasks.len() == 20 && tasks.is_disjoint(&inline), "each has a task of its own");
    time::advance(Duration::from_secs(11)).await;
    assert_eq!(tasks_of(&mut peer, 20).await, inline);
    drop(peer);
    bed.settles().await;
}
