//! One lease over the leases of several registries.
//!
//! How it stands is decided by `stand`, from how each stands; the task hands what is wanted down and that up.

use std::{sync::Arc, task::Poll, time::Duration};

use tokio::{runtime::Handle, task::JoinSet};

use crate::{
    instance::Registration,
    lease::{Desk, Lease, LeaseState, RegistryStanding, Standing, Wanted},
};

/// How long one registry has to take a registration back. Whoever withdraws waits as long as it likes.
const WITHDRAW: Duration = Duration::from_secs(30);

/// One lease over these, each with its registry in words.
pub(super) fn join(registration: Registration, leases: Vec<(String, Lease)>) -> Lease {
    let Ok(runtime) = Handle::try_current() else {
        let reason = "register() was called outside of a tokio runtime".to_owned();
        return Lease::settled(registration, LeaseState::Lost { reason });
    };
    if leases.iter().all(|(_, lease)| lease.state() == LeaseState::Unsupported) {
        return Lease::unsupported(registration);
    }
    let (lease, desk) = Lease::pair(registration);
    runtime.spawn(run(leases, desk));
    lease
}

/// How the whole stands: registered as soon as one has it; what the others lack is its trouble.
fn stand(each: Vec<RegistryStanding>) -> Standing {
    let counting = || each.iter().filter(|one| one.state != LeaseState::Unsupported);
    let registered = counting().any(|one| one.state == LeaseState::Registered);
    let lost = counting().find(|one| matches!(one.state, LeaseState::Lost { .. }));
    let offline = || counting().all(|one| one.state == LeaseState::Offline);
    let state = match lost {
        _ if registered => LeaseState::Registered,
        None if offline() => LeaseState::Offline,
        Some(one) => LeaseState::Lost { reason: format!("{}: {}", one.registry, one.state) },
        None => LeaseState::Pending,
    };
    let troubles = counting().filter_map(|one| {
        let why = match (&one.trouble, &one.state) {
            (Some(why), _) => why.clone(),
            (None, LeaseState::Registered | LeaseState::Offline) => return None,
            // Right after the start nobody has anything to say yet.
            (None, LeaseState::Pending) if !registered => return None,
            (None, state) => state.to_string(),
        };
        Some(format!("{}: {why}", one.registry))
    });
    let trouble = Some(troubles.collect::<Vec<_>>().join("; ")).filter(|text| !text.is_empty());
    Standing { state, repairs: counting().map(|one| one.repairs).sum(), trouble, each }
}

async fn run(mut leases: Vec<(String, Lease)>, mut desk: Desk) {
    loop {
        let now = stand(leases.iter().map(|(registry, lease)| lease.standing(registry)).collect());
        desk.standing.send_if_modified(|before| std::mem::replace(before, now.clone()) != now);
        let changed = tokio::select! {
            changed = desk.wanted.changed() => Some(changed),
            () = any_changed(&mut leases) => None,
        };
        match changed {
            None => {}
            // The lease was dropped: so are those below, which is a goodbye on a best effort.
            Some(Err(_)) => return,
            Some(Ok(())) => match desk.wanted.borrow_and_update().clone() {
                Wanted::Present(wanted) => hand_down(&leases, &wanted, false),
                Wanted::Absent(wanted) => hand_down(&leases, &wanted, true),
                Wanted::Gone => break,
            },
        }
    }
    let failures = withdraw(leases).await;
    desk.standing.send_modify(|standing| match failures.is_empty() {
        true => standing.state = LeaseState::Withdrawn,
        false => standing.trouble = Some(failures.join("; ")),
    });
}

fn hand_down(leases: &[(String, Lease)], wanted: &Arc<Registration>, offline: bool) {
    for (_, lease) in leases {
        lease.set_offline(offline);
        lease.update(|instance| *instance = wanted.instance.clone());
    }
}

/// Waits until one of them changed. Cancel-safe.
async fn any_changed(leases: &mut [(String, Lease)]) {
    let mut waits: Vec<_> = leases.iter_mut().map(|(_, lease)| Box::pin(lease.changed())).collect();
    std::future::poll_fn(|cx| {
        let changed = waits.iter_mut().any(|wait| wait.as_mut().poll(cx).is_ready());
        if changed { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Takes all back at once; answers who did not.
async fn withdraw(leases: Vec<(String, Lease)>) -> Vec<String> {
    let mut all = JoinSet::new();
    for (registry, lease) in leases {
        all.spawn(async move { lease.withdraw(WITHDRAW).await.map_err(|error| format!("{registry}: {error}")) });
    }
    let mut failures: Vec<_> = all.join_all().await.into_iter().filter_map(Result::err).collect();
    failures.sort();
    failures
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(registry: &str, state: LeaseState, trouble: Option<&str>) -> RegistryStanding {
        RegistryStanding { registry: registry.to_owned(), state, repairs: 1, trouble: trouble.map(str::to_owned) }
    }

    #[test]
    fn one_that_has_it_is_enough_and_the_rest_is_trouble() {
        use LeaseState::{Offline, Pending, Registered, Unsupported};
        let lost = || LeaseState::Lost { reason: "gone".to_owned() };
        for (each, state, trouble) in [
            ([Registered, Registered], Registered, None),
            ([Registered, Pending], Registered, Some("b: pending")),
            ([Pending, Registered], Registered, Some("a: pending")),
            ([Registered, lost()], Registered, Some("b: lost (gone)")),
            ([Pending, Pending], Pending, None),
            ([lost(), Pending], LeaseState::Lost { reason: "a: lost (gone)".to_owned() }, Some("a: lost (gone)")),
            ([Registered, Unsupported], Registered, None),
            ([Pending, Unsupported], Pending, None),
            ([Offline, Offline], Offline, None),
            ([Offline, Unsupported], Offline, None),
            ([Offline, Pending], Pending, None),
            ([lost(), Offline], LeaseState::Lost { reason: "a: lost (gone)".to_owned() }, Some("a: lost (gone)")),
        ] {
            let [a, b] = each.clone();
            let standing = stand(vec![one("a", a, None), one("b", b, None)]);
            assert_eq!((standing.state, standing.trouble.as_deref()), (state, trouble), "{each:?}");
        }
        let away = stand(vec![one("a", Pending, Some("refused")), one("b", Registered, None)]);
        assert_eq!((away.trouble.as_deref(), away.repairs), (Some("a: refused"), 2));
    }
}
