//! The disk of a registry of files is full: nothing that was written is lost, what cannot be written is not half there, and who
//! calls does not notice.

use std::time::Duration;

use testbed::{Scenario, SmallDisk, scenario::Check};
use tokio::time::{interval, timeout};

use crate::bed::{
    load::{Called, Load, RATE},
    members::{Members, SOON},
};

/// How long calls go on before, while it is full, and after.
const WHILE: Duration = Duration::from_secs(3);

#[test]
fn a_full_disk_of_the_registry_fails_no_call() {
    let mut scenario = Scenario::new(
        "a_full_disk_of_the_registry_fails_no_call",
        "The disk of a registry of files is full, and a fourth member starts: it is listed when there is room again.",
    );
    let disk = SmallDisk::new("registry", 256).unwrap();
    let members = Members::found_by(format!("file://{}", disk.path().display()));
    members.called(async || {
        let client = members.client().await;
        let load = Load::start(RATE, move |_| {
            let client = client.clone();
            async move { client.member("ada".to_owned()).await.map(|member| member.answer.by).map_err(|e| e.to_string()) }
        });
        load.goes_on(WHILE).await;
        let (at, filled) = (load.now(), disk.fill().unwrap());
        let newcomer = members.newcomer();
        load.goes_on(WHILE).await;
        let waits = !newcomer.is_listed() && newcomer.open_files().is_some();
        disk.free().unwrap();
        let until = load.now();
        let mut pause = interval(Duration::from_millis(5));
        let listed = async {
            while !load.so_far().iter().any(|call| call.came.as_ref() == Ok(&newcomer.name())) {
                pause.tick().await;
            }
        };
        let called = timeout(SOON, listed).await.is_ok();
        let came = load.now();
        load.goes_on(WHILE).await;
        let began = load.began();
        let calls = load.end().await;

        let failed: Vec<_> = calls.iter().filter_map(|call| call.came.as_ref().err()).collect();
        println!("{filled} bytes filled it; {} of {} calls failed, as {:?}", failed.len(), calls.len(), failed.first());
        let offset = scenario.at(began);
        scenario.calls("calls of members", began, calls.iter().map(Called::sample));
        scenario.fault("the disk is full", at + offset..until + offset, waits.into(), "members that are not listed");
        scenario.check(Check::none("failed calls", failed.len()));
        scenario.check(Check::all("the newcomer is called", called.into(), 1));
        scenario.check(Check::within("once there is room", came - until, Duration::from_secs(10)));
    });
    scenario.end();
}
