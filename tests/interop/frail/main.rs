//! A member service of the shop that does badly as soon as it is told to: it is slow, or lets calls fail, and counts what
//! comes. A real one cannot be asked for that.
//!
//! `frail-member [SETTINGS]`, with the settings of any application.

mod service;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mainstay::prelude::*;
use mainstay_examples::{Answer, Held, Level, Member};
use service::{Frail, FrailServer, Seen};

/// The member service as it is on the wire: the shop's own trait has no word for a failure of the member itself.
#[mainstay::service(package = "shop.member.v1", name = "MemberApi")]
trait Members {
    #[rpc(idempotent, get = "/v1/member/{id}")]
    async fn member(&self, id: String) -> Result<Member>;

    async fn hold(&self, id: String, gift: String) -> Result<Held>;
}

#[derive(Clone, Default)]
struct Patient(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    seen: Seen,
    gifts: Vec<String>,
    wait: Duration,
    fail_percent: u64,
}

impl Patient {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Members for Patient {
    async fn member(&self, id: String) -> Result<Member> {
        let (wait, fails) = {
            let mut state = self.state();
            // Spread evenly.
            let due = |calls: u64| calls * state.fail_percent / 100;
            let fails = due(state.seen.asked + 1) > due(state.seen.asked);
            state.seen.asked += 1;
            state.seen.failed += u64::from(fails);
            (state.wait, fails)
        };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        if fails {
            return Err(Status::new(Code::Unavailable, "this member ails"));
        }
        Ok(Member { name: id.clone(), id, level: Level::Basic, answer: answer() })
    }

    async fn hold(&self, _: String, gift: String) -> Result<Held> {
        self.state().gifts.push(gift.clone());
        Ok(Held { gift, answer: answer() })
    }
}

fn answer() -> Answer {
    Answer { by: std::process::id().to_string(), retries: 0 }
}

impl Frail for Patient {
    async fn ail(&self, wait_ms: u32, fail_percent: u32) -> Result<Seen> {
        let mut state = self.state();
        (state.wait, state.fail_percent) = (Duration::from_millis(wait_ms.into()), fail_percent.into());
        Ok(state.seen)
    }

    async fn seen(&self) -> Result<Seen> {
        Ok(self.state().seen)
    }

    async fn gifts(&self) -> Result<Vec<String>> {
        Ok(self.state().gifts.clone())
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let patient = Patient::default();
    let app = App::from_sources("member", std::env::args().skip(1), [])?;
    app.serve(MembersServer::new(patient.clone())).serve(FrailServer::new(patient)).run().await
}
