//! Testing services in a simulated network: two desks put gifts aside, one of them crashes, and what is sent may be lost. The same
//! seed tells the same story, so that one which went wrong can be told again.

use mainstay::{
    prelude::*,
    server::Server,
    sim::{Ended, Failed, Fault, Host, Rng, Sim, Story},
};
use mainstay_examples::{Answer, Held, Level, Member, MemberApi, MemberApiClient, MemberApiServer, MemberError};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// What was put aside, and what a caller was told.
#[derive(Clone, Default)]
struct Book(Arc<Mutex<(Vec<String>, Vec<String>)>>);

impl Book {
    fn write(&self, write: impl FnOnce(&mut (Vec<String>, Vec<String>))) {
        write(&mut self.0.lock().expect("nobody panics with it"));
    }
}

/// A desk: the service as it would run anywhere.
struct Desk {
    name: String,
    book: Book,
}

impl Desk {
    fn answer(&self) -> Answer {
        Answer { by: self.name.clone(), retries: 0 }
    }
}

impl MemberApi for Desk {
    async fn member(&self, id: String) -> Result<Member, MemberError> {
        Ok(Member { name: id.clone(), id, level: Level::Gold, answer: self.answer() })
    }

    async fn hold(&self, _: String, gift: String) -> Result<Held, MemberError> {
        self.book.write(|(held, _)| held.push(gift.clone()));
        Ok(Held { gift, answer: self.answer() })
    }
}

async fn desk(host: Host, book: Book) -> Ended {
    let desk = Desk { name: host.name().to_owned(), book };
    Ok(host.serve("members", Server::new().serve(MemberApiServer::new(desk))).await?.ended().await?)
}

/// Looks members up, which must not fail, and has gifts put aside, which may.
async fn shop(host: Host, book: Book) -> Ended {
    let client = MemberApiClient::connect("members").per_try_timeout(Duration::from_millis(200));
    let members: MemberApiClient = host.connect(client).build()?;
    for n in 0..100 {
        let member = members.member("ada".into()).await.map_err(|error| format!("{n}: {error:?}"))?;
        host.note(format!("{} knows {}", member.answer.by, member.name));
        if let Ok(held) = members.hold("ada".into(), format!("gift {n}")).await {
            book.write(|(_, told)| told.push(held.gift));
        }
        // On the simulation's clock, slow on purpose.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

fn run(seed: u64) -> Result<(Story, Book), Failed> {
    let (ms, mut rng, book) = (Duration::from_millis, Rng::new(seed), Book::default());
    let (here, there, shelf) = (book.clone(), book.clone(), book.clone());
    let story = Sim::new(seed)
        .host("desk-1", move |host| desk(host, here.clone()))
        .host("desk-2", move |host| desk(host, there.clone()))
        .client("shop", |host| shop(host, shelf))
        .fault(Fault::crash("desk-1").drawn(&mut rng, ms(300)..ms(800), ms(100)..ms(500)))
        .fault(Fault::one_way("desk-2", "shop").drawn(&mut rng, ms(1_400)..ms(1_800), ms(50)..ms(150)))
        .run()?;
    Ok((story, book))
}

#[test]
fn no_gift_is_put_aside_twice_whatever_happens() {
    let mut lost = 0;
    for seed in 0..8 {
        let (story, book) = run(seed).unwrap_or_else(|failed| panic!("{failed}"));
        assert_eq!(story.fired().len(), 2, "seed {seed}: both faults came");
        book.write(|(held, told)| {
            assert!(told.iter().all(|gift| held.contains(gift)), "seed {seed}: a gift was promised and not put aside");
            lost += held.len() - told.len();
            let all = held.len();
            held.sort();
            held.dedup();
            assert_eq!(held.len(), all, "seed {seed}: a gift was put aside twice");
        });
    }
    println!("{lost} gifts were put aside for callers that did not hear of it");
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let story = |seed| run(seed).unwrap_or_else(|failed| panic!("{failed}")).0;
    assert_eq!(story(3), story(3));
    assert_ne!(story(3).hash(), story(4).hash());
}
