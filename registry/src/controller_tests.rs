//! The controller's decisions, by tables and by a registry that does as it likes.

use proptest::prelude::*;

use super::*;

const SEC: Duration = Duration::from_secs(1);

fn registered() -> Controller {
    let mut controller = Controller::new(Timing::default());
    assert_eq!(controller.step(Duration::ZERO), Step::Write);
    controller.wrote(Duration::ZERO, Ok(()), 0);
    controller
}

#[test]
fn write_then_read_back_for_ever() {
    let mut controller = registered();
    let mut now = Duration::ZERO;
    for round in 0..5u64 {
        assert_eq!(controller.state, LeaseState::Registered);
        let Step::Wait(wait) = controller.step(now) else { panic!("round {round}: {controller:?}") };
        assert!(wait >= SEC && wait <= 3 * SEC, "{wait:?}");
        now += wait;
        assert_eq!(controller.step(now), Step::ReadBack);
        controller.read(now, Ok(Seen::Same), round << 60);
    }
    assert_eq!(controller.repairs, 0);
}

#[test]
fn a_record_that_is_gone_or_changed_is_written_again_and_counted() {
    for seen in [Seen::Absent, Seen::Different] {
        let mut controller = registered();
        controller.disturbed();
        assert_eq!(controller.step(SEC), Step::ReadBack);
        controller.read(SEC, Ok(seen), 0);
        assert!(matches!(controller.state, LeaseState::Lost { .. }));
        assert_eq!(controller.step(SEC), Step::Write);
        controller.wrote(SEC, Err("no".to_owned()), 0);
        assert_eq!(controller.repairs, 0, "a repair counts when it is done");
        controller.wrote(2 * SEC, Ok(()), 0);
        assert_eq!((controller.repairs, controller.state.clone()), (1, LeaseState::Registered));
    }
}

#[test]
fn a_registry_that_is_away_is_tried_for_ever_and_told() {
    let mut controller = Controller::new(Timing::default());
    let mut now = Duration::ZERO;
    for _ in 0..1000 {
        assert_eq!(controller.step(now), Step::Write);
        controller.wrote(now, Err("refused".to_owned()), u64::MAX);
        let Step::Wait(wait) = controller.step(now) else { panic!() };
        assert!(wait <= 10 * SEC);
        now += wait;
    }
    assert_eq!((controller.state.clone(), controller.trouble.as_deref()), (LeaseState::Pending, Some("refused")));
}

#[test]
fn an_unreadable_record_is_lost_only_after_the_grace() {
    let mut controller = registered();
    for (second, lost) in [(3u32, false), (8, false), (12, false), (13, true)] {
        controller.read(second * SEC, Err("timeout".to_owned()), 0);
        assert_eq!(matches!(controller.state, LeaseState::Lost { .. }), lost, "{second}");
    }
    controller.read(14 * SEC, Ok(Seen::Same), 0);
    assert_eq!((controller.state.clone(), controller.trouble.clone()), (LeaseState::Registered, None));
}

#[test]
fn withdrawing_removes_what_may_exist_and_gives_up_after_some_tries() {
    let mut fresh = Controller::new(Timing::default());
    fresh.withdraw();
    assert_eq!((fresh.step(SEC), fresh.state.clone()), (Step::Done, LeaseState::Withdrawn));

    let mut half = Controller::new(Timing::default());
    half.wrote(SEC, Err("connection lost".to_owned()), 0);
    half.withdraw();
    assert_eq!(half.step(SEC), Step::Remove, "the write may have been done");
    half.removed(SEC, Ok(()), 0);
    assert_eq!((half.step(SEC), half.state.clone()), (Step::Done, LeaseState::Withdrawn));

    let mut stuck = registered();
    stuck.withdraw();
    let mut tries = 0;
    let mut now = SEC;
    loop {
        match stuck.step(now) {
            Step::Remove => stuck.removed(now, Err("no".to_owned()), 0),
            Step::Wait(wait) => now += wait,
            Step::Done => break,
            step => panic!("{step:?}"),
        }
        tries += 1;
        assert!(tries < 20);
    }
    assert!(matches!(stuck.state, LeaseState::Lost { .. }));
}

#[test]
fn offline_is_kept_whatever_the_registry_does() {
    let mut controller = registered();
    controller.set_offline(true);
    let mut now = SEC;
    for _ in 0..50 {
        assert_eq!(controller.step(now), Step::Remove, "it never gives up");
        controller.removed(now, Err("away".to_owned()), 0);
        let Step::Wait(wait) = controller.step(now) else { panic!("it backs off") };
        now += wait;
    }
    controller.removed(now, Ok(()), 0);
    assert_eq!(controller.state, LeaseState::Offline);
    let Step::Wait(wait) = controller.step(now) else { panic!("all is as it should be") };
    now += wait;
    assert_eq!(controller.step(now), Step::ReadBack);
    controller.read(now, Ok(Seen::Absent), 0);
    assert!(matches!(controller.step(now), Step::Wait(_)));
    controller.wish_changed();
    assert!(matches!(controller.step(now), Step::Wait(_)), "another weight does not bring it back");
    controller.read(now, Ok(Seen::Same), 0);
    assert_eq!(controller.step(now), Step::Remove, "a write that came late, or a registry with old data");
    controller.removed(now, Ok(()), 0);
    controller.read(now, Err("away".to_owned()), 0);
    assert_eq!(controller.state, LeaseState::Offline);
    controller.set_offline(false);
    assert_eq!((controller.step(now), controller.state.clone()), (Step::Write, LeaseState::Pending));
    controller.wrote(now, Ok(()), 0);
    assert_eq!(controller.state, LeaseState::Registered);
    controller.set_offline(true);
    controller.withdraw();
    controller.removed(now, Ok(()), 0);
    assert_eq!((controller.step(now), controller.state.clone()), (Step::Done, LeaseState::Withdrawn));
}

#[test]
fn what_was_never_written_is_offline_at_once() {
    let mut controller = Controller::new(Timing::default());
    controller.set_offline(true);
    assert_eq!((controller.step(SEC), controller.state.clone()), (Step::ReadBack, LeaseState::Offline));
}

#[test]
fn a_new_wish_does_not_wait_for_the_backoff() {
    let mut controller = registered();
    controller.wish_changed();
    controller.wrote(SEC, Err("no".to_owned()), 0);
    assert!(matches!(controller.step(SEC), Step::Wait(_)));
    controller.wish_changed();
    assert_eq!(controller.step(SEC), Step::Write);
}

/// What a registry does between two steps of the controller.
#[derive(Clone, Copy, Debug)]
enum Fate {
    GoesAway,
    ComesBack,
    LosesTheRecord,
    MixesItUp,
    Nothing,
}

/// A registry: away or not, and with what record (`Some(true)`: as wanted).
#[derive(Clone, Copy, Debug, Default)]
struct Server {
    away: bool,
    record: Option<bool>,
}

impl Server {
    fn suffer(&mut self, fate: Fate) {
        match fate {
            Fate::GoesAway => self.away = true,
            Fate::ComesBack => self.away = false,
            Fate::LosesTheRecord => self.record = None,
            Fate::MixesItUp => self.record = self.record.map(|_| false),
            Fate::Nothing => {}
        }
    }

    /// Does one step of `controller` and answers how long that took.
    fn serve(&mut self, controller: &mut Controller, now: Duration, random: u64) -> Duration {
        let answer = |away| if away { Err("away".to_owned()) } else { Ok(()) };
        match controller.step(now) {
            Step::Wait(wait) => return wait,
            Step::Write => {
                // Away in the middle: it may be done although it failed.
                if !self.away || random.is_multiple_of(2) {
                    self.record = Some(true);
                }
                controller.wrote(now, answer(self.away), random);
            }
            Step::ReadBack => {
                let seen = self.record.map_or(Seen::Absent, |same| if same { Seen::Same } else { Seen::Different });
                controller.read(now, answer(self.away).map(|()| seen), random);
            }
            Step::Remove | Step::Done => panic!("nobody asked for that: {controller:?}"),
        }
        Duration::from_millis(1)
    }
}

fn fate() -> impl Strategy<Value = Fate> {
    prop::sample::select(vec![Fate::GoesAway, Fate::ComesBack, Fate::LosesTheRecord, Fate::MixesItUp, Fate::Nothing])
}

proptest! {
    #[test]
    fn whatever_a_registry_suffered_the_record_is_right_soon_after_it_is_well(
        history in prop::collection::vec((fate(), any::<u64>()), 0..60)
    ) {
        let timing = Timing::default();
        let mut controller = Controller::new(timing);
        let (mut server, mut now) = (Server::default(), Duration::ZERO);
        for (fate, random) in history {
            server.suffer(fate);
            now += server.serve(&mut controller, now, random);
        }
        server.suffer(Fate::ComesBack);
        let bound = now + timing.backoff.max + timing.audit + SEC;
        while server.record != Some(true) || controller.state != LeaseState::Registered {
            now += server.serve(&mut controller, now, u64::MAX);
            prop_assert!(now <= bound, "{controller:?} {server:?}");
        }
    }
}
