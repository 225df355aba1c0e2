//! The provider's end of a registration: what is wanted goes down, how it stands comes up.
//!
//! A lease is a handle, not the registration itself: the controller behind it (see `controller.rs`, `keep.rs`) writes,
//! reads back and repairs for as long as the lease lives, whatever happens to the registry meanwhile.

use std::{fmt, sync::Arc, time::Duration};

use tokio::{sync::watch, time::timeout};

use crate::{
    error::RegistryError,
    instance::{Instance, Registration},
};

/// How a registration stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeaseState {
    /// Not written yet; it is being tried.
    Pending,
    /// Written, and seen there when last looked.
    Registered,
    /// It was there and is not (or cannot be seen any more); it is being repaired.
    Lost {
        /// What was found, or the registry's answer.
        reason: String,
    },
    /// Taken back; the end of the lease.
    Withdrawn,
    /// Taken back for as long as the provider says so: [`Lease::set_offline`].
    Offline,
    /// This registry takes no registrations, so there is nothing to wait for.
    Unsupported,
}

impl fmt::Display for LeaseState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending => f.write_str("pending"),
            Self::Registered => f.write_str("registered"),
            Self::Lost { reason } => write!(f, "lost ({reason})"),
            Self::Withdrawn => f.write_str("withdrawn"),
            Self::Offline => f.write_str("offline"),
            Self::Unsupported => f.write_str("unsupported"),
        }
    }
}

/// A registration that is kept. Keep the lease for as long as the service is offered: dropping it
/// withdraws on a best effort; [`withdraw`](Self::withdraw) says how it went.
#[derive(Debug)]
#[must_use = "a lease that is dropped withdraws the registration"]
pub struct Lease {
    wanted: watch::Sender<Wanted>,
    standing: watch::Receiver<Standing>,
}

/// The controller's end of a lease.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) wanted: watch::Receiver<Wanted>,
    pub(crate) standing: watch::Sender<Standing>,
}

/// What the provider wants.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    Present(Arc<Registration>),
    /// Not there, until it is wanted again.
    Absent(Arc<Registration>),
    Gone,
}

impl Wanted {
    /// What is to be there, or would be.
    pub(crate) fn registration(&self) -> Option<&Arc<Registration>> {
        match self {
            Self::Present(registration) | Self::Absent(registration) => Some(registration),
            Self::Gone => None,
        }
    }
}

/// How it stands, all in one so that nobody reads halves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) state: LeaseState,
    pub(crate) repairs: u64,
    pub(crate) trouble: Option<String>,
    /// In several registries: how each stands.
    pub(crate) each: Vec<RegistryStanding>,
}

/// How a registration stands in one of several registries.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegistryStanding {
    /// The registry in words.
    pub registry: String,
    /// As [`Lease::state`].
    pub state: LeaseState,
    /// As [`Lease::repairs`].
    pub repairs: u64,
    /// As [`Lease::trouble`].
    pub trouble: Option<String>,
}

/// How waiting for a state ended.
enum Waited {
    Until(LeaseState),
    /// The controller is gone.
    Ended,
    TooLong,
}

impl Lease {
    /// A lease and its controller's end.
    pub(crate) fn pair(registration: Registration) -> (Self, Desk) {
        let (wanted, wanted_end) = watch::channel(Wanted::Present(Arc::new(registration)));
        let (standing_end, standing) =
            watch::channel(Standing { state: LeaseState::Pending, repairs: 0, trouble: None, each: Vec::new() });
        (Self { wanted, standing }, Desk { wanted: wanted_end, standing: standing_end })
    }

    /// A lease of a registry that takes no registrations: [`LeaseState::Unsupported`] for ever.
    pub fn unsupported(registration: Registration) -> Self {
        Self::settled(registration, LeaseState::Unsupported)
    }

    /// A lease without a controller, which stays as it is.
    pub(crate) fn settled(registration: Registration, state: LeaseState) -> Self {
        let (lease, desk) = Self::pair(registration);
        desk.standing.send_modify(|standing| standing.state = state);
        lease
    }

    /// How the registration stands now.
    pub fn state(&self) -> LeaseState {
        self.standing.borrow().state.clone()
    }

    /// How often the record had to be written again because it was gone or changed.
    pub fn repairs(&self) -> u64 {
        self.standing.borrow().repairs
    }

    /// The registry's last failure, in words, while it lasts: also before the first success.
    pub fn trouble(&self) -> Option<String> {
        self.standing.borrow().trouble.clone()
    }

    /// Of a registration in several registries: how each stands, in the order of their URLs. Empty where there is one.
    pub fn each(&self) -> Vec<RegistryStanding> {
        self.standing.borrow().each.clone()
    }

    /// How it stands, as one of several.
    pub(crate) fn standing(&self, registry: &str) -> RegistryStanding {
        let Standing { state, repairs, trouble, .. } = self.standing.borrow().clone();
        RegistryStanding { registry: registry.to_owned(), state, repairs, trouble }
    }

    /// Waits until the state, the repairs or the trouble changed since the last call, and answers the newest
    /// state; what lay between is not told.
    /// Waits for ever once the lease has ended. Cancel-safe.
    pub async fn changed(&mut self) -> LeaseState {
        if self.standing.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.standing.borrow_and_update().state.clone()
    }

    /// Waits until the registration is written.
    ///
    /// # Errors
    /// [`RegistryError::Timeout`] after `deadline`, with the registry's own answer; the controller goes on trying.
    /// [`RegistryError::Unsupported`] where the registry takes no registrations, [`RegistryError::Ended`] when its
    /// runtime is gone. Cancel-safe.
    pub async fn registered(&mut self, deadline: Duration) -> Result<(), RegistryError> {
        // Offline is no end: whoever waits has just taken it back, or somebody will.
        let open =
            |state: &LeaseState| matches!(state, LeaseState::Pending | LeaseState::Lost { .. } | LeaseState::Offline);
        let known = |state: &LeaseState| !open(state);
        match self.wait(deadline, known).await {
            Waited::Until(LeaseState::Unsupported) => {
                Err(RegistryError::Unsupported { registry: "this registry".to_owned(), what: "takes no registrations" })
            }
            Waited::Until(LeaseState::Registered) => Ok(()),
            Waited::Until(_) | Waited::Ended => Err(self.ended()),
            Waited::TooLong => Err(self.too_long("registering", deadline)),
        }
    }

    /// Changes what is announced: weight, labels, role, epoch… The id stays. Consumers hear of it as an Up.
    pub fn update(&self, change: impl FnOnce(&mut Instance)) {
        self.wanted.send_if_modified(|wanted| {
            let (Wanted::Present(registration) | Wanted::Absent(registration)) = wanted else { return false };
            let mut next = Registration::clone(registration);
            change(&mut next.instance);
            next.instance.id = registration.instance.id.clone();
            let differs = next != **registration;
            *registration = Arc::new(next);
            differs
        });
    }

    /// [`update`](Self::update) of the weight.
    pub fn set_weight(&self, weight: u32) {
        self.update(|instance| instance.weight = weight);
    }

    /// Takes the registration back, or brings it back. Offline is a wish like any other: it is kept, and looked after,
    /// whatever the registry does. One that is away when this is said is told when it is there again, and a record of
    /// ours that turns up again is removed again.
    pub fn set_offline(&self, offline: bool) {
        self.wanted.send_if_modified(|wanted| {
            let next = match (&*wanted, offline) {
                (Wanted::Present(registration), true) => Wanted::Absent(registration.clone()),
                (Wanted::Absent(registration), false) => Wanted::Present(registration.clone()),
                _ => return false,
            };
            *wanted = next;
            true
        });
    }

    /// What is announced, or would be if it were not offline, as last wanted; `None` once withdrawn.
    pub fn registration(&self) -> Option<Arc<Registration>> {
        self.wanted.borrow().registration().cloned()
    }

    /// Takes the registration back and waits until the registry has done so.
    ///
    /// # Errors
    /// [`RegistryError::Timeout`] after `deadline`, [`RegistryError::Unavailable`] when the registry refused; the
    /// record then ends with the process. If the future is dropped, the rest is a best effort.
    pub async fn withdraw(mut self, deadline: Duration) -> Result<(), RegistryError> {
        if self.state() == LeaseState::Unsupported {
            return Ok(());
        }
        self.wanted.send_replace(Wanted::Gone);
        match self.wait(deadline, |state| *state == LeaseState::Withdrawn).await {
            Waited::Until(_) => Ok(()),
            Waited::TooLong => Err(self.too_long("withdrawing", deadline)),
            Waited::Ended => match self.trouble() {
                Some(why) => {
                    Err(RegistryError::Unavailable { attempted: "withdrawing the registration".to_owned(), why })
                }
                None => Err(self.ended()),
            },
        }
    }

    async fn wait(&mut self, deadline: Duration, until: impl Fn(&LeaseState) -> bool) -> Waited {
        let reached = timeout(deadline, self.standing.wait_for(|now| until(&now.state))).await;
        match reached {
            Ok(Ok(now)) => Waited::Until(now.state.clone()),
            Ok(Err(_)) => Waited::Ended,
            Err(_) => Waited::TooLong,
        }
    }

    fn too_long(&self, attempted: &'static str, after: Duration) -> RegistryError {
        let state = self.trouble().unwrap_or_else(|| self.state().to_string());
        RegistryError::Timeout { attempted, after, state }
    }

    fn ended(&self) -> RegistryError {
        RegistryError::Ended { why: self.trouble().unwrap_or_else(|| self.state().to_string()) }
    }
}
