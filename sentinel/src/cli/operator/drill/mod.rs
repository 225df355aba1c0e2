//! `drill`: a switchover or a kill on purpose, with a canary that writes meanwhile, and a report of what it cost.
//!
//! First everything is looked at that a failover needs, at every server as if it were the master and as if it were a
//! replica. Without `--yes` that is all. Then a writer puts numbers into a list of its own, the master is changed, and what
//! the new one has of the acknowledged numbers is compared with what the writer was told.
//!
//! | file | what it is |
//! |---|---|
//! | `plan` | its words; pure |
//! | `preflight` | what is looked at before |
//! | `canary` | the writer |
//! | `measure` | gap and loss, from what the writer noted; pure |
//! | `report` | what is shown and written |

mod canary;
mod measure;
mod plan;
mod preflight;
mod report;

use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::Command;

pub(super) use plan::{By, Plan};

use self::canary::Canary;
use self::report::{Drill, Fault};
use super::change::{self, Course, Ended};
use super::door::{Access, Door};
use super::group::{self, Seen};
use super::order::Reach;
use super::remote::{Failed, Remote};
use super::{OrderError, Show, Verdict};
use crate::core::ids::Address;

/// So many writes are acknowledged before the fault, and after it.
const ENOUGH: usize = 100;
/// How long that may take.
const WARM: Duration = Duration::from_secs(10);

/// Looks, and with `--yes` acts. No, if something is not ready, or it acts and the master is not changed, or what must not
/// be lost is.
pub(super) async fn run(
    remote: &mut Remote,
    door: &Door,
    reach: &Reach,
    plan: Plan,
    show: Show,
) -> Result<Verdict, OrderError> {
    let before = group::see(remote, &plan.master).await?;
    let access = Access::open(reach, &plan.master, &plan.servers)?;
    let servers = servers(remote, &plan.master, &before).await?;
    let mut drill = Drill::new(&plan, before.address.to_string(), crate::wall::now());
    drill.preflight = preflight::look(remote, door, &access, &plan, &before, &servers).await?;
    if !plan.yes || !drill.ready() {
        show.report(&drill);
        return Ok(if drill.ready() { Verdict::Fine } else { Verdict::No });
    }
    let doors: Vec<Door> = servers.iter().map(|at| access.door(at.clone(), door.patience)).collect();
    let canary = Canary::start(doors, &plan);
    act(remote, door, &plan, &before, canary, &mut drill).await?;
    drill.save(&plan)?;
    show.report(&drill);
    Ok(if drill.passed() { Verdict::Fine } else { Verdict::No })
}

/// The master and its replicas.
async fn servers(remote: &mut Remote, master: &str, seen: &Seen) -> Result<Vec<Address>, Failed> {
    let replicas = group::list(remote, "REPLICAS", master).await?;
    Ok(std::iter::once(seen.address.clone()).chain(replicas.iter().map(group::Fields::address)).collect())
}

async fn act(
    remote: &mut Remote,
    door: &Door,
    plan: &Plan,
    before: &Seen,
    canary: Canary,
    drill: &mut Drill,
) -> Result<(), OrderError> {
    if !canary.wrote(ENOUGH, WARM).await {
        drill.why = Some("the canary cannot write to the master".to_owned());
        return Ok(());
    }
    let began = Instant::now();
    let begun = fault(remote, plan, before, drill).await?;
    if drill.why.is_none() {
        let course = change::follow(remote, door, &plan.master, before, began + plan.within, begun).await?;
        drill.ms = Some(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
        if course.result == Ended::Done {
            let written = canary.count();
            // It also has to be usable: the writer finds it by itself.
            if !canary.wrote(written + ENOUGH, WARM).await {
                drill.why = Some("the canary cannot write to the new master".to_owned());
            }
        }
        note(course, drill);
    }
    drill.measured = canary.end(drill.to.as_deref()).await;
    Ok(())
}

/// Takes the master away, one way or the other; whether the sentinel is at it already.
async fn fault(remote: &mut Remote, plan: &Plan, before: &Seen, drill: &mut Drill) -> Result<bool, OrderError> {
    match &plan.by {
        By::Switchover => match remote.ask(&["SENTINEL", "SWITCHOVER", &plan.master]).await {
            Ok(_) => Ok(true),
            Err(Failed::Said { said, .. }) => {
                drill.why = Some(said);
                Ok(true)
            }
            Err(e) => Err(e.into()),
        },
        By::Kill(command) => {
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", command]).stdin(Stdio::null());
            let (host, port) = (before.address.host.to_string(), before.address.port.to_string());
            shell.env("MASTER_HOST", host).env("MASTER_PORT", port).env("MASTER_NAME", &plan.master);
            let status = shell.status().await?;
            drill.fault = Fault::Kill { command: command.clone(), status: status.code() };
            if !status.success() {
                drill.why = Some(format!("the command to kill the master ended with {status}"));
            }
            Ok(false)
        }
    }
}

fn note(course: Course, drill: &mut Drill) {
    let Course { result, to, config_epoch, why } = course;
    (drill.result, drill.to, drill.config_epoch) = (Some(result), to, config_epoch);
    drill.why = drill.why.take().or(why);
}
