//! How runs end that do not end well, and what is told of them.

use crate::bed::ms;
use mainstay::sim::{Fault, Sim};
use std::future::pending;

fn idle(seed: u64) -> Sim {
    Sim::new(seed).lasting(ms(50)).host("a", |_| pending())
}

#[test]
fn a_fault_about_nobody_is_refused() {
    let client = || idle(1).client("c", |_| async { Ok(()) });
    for (fault, expected) in [
        (Fault::crash("b"), "crash of b: there is no b"),
        (Fault::partition("a", "b"), "partition of a and b: there is no b"),
        (Fault::crash("c"), "crash of c: a client starts only once"),
    ] {
        let failed = client().fault(fault).run().unwrap_err().to_string();
        assert!(failed.contains(expected), "{failed}");
    }
}

#[test]
fn a_run_that_fails_tells_its_seed_and_what_happened() {
    let failed = idle(5).client("c", |host| async move {
        host.note("looks around");
        Err("nobody is here".into())
    });
    let failed = failed.run().unwrap_err();
    assert_eq!(failed.story().seed(), 5);
    let text = failed.to_string();
    assert!(text.starts_with("seed 5: nobody is here") && text.contains("looks around"), "{text}");
    let text = idle(6).client("c", |_| pending()).run().unwrap_err().to_string();
    assert!(text.contains("seed 6") && text.contains("50ms"), "{text}");
}

#[test]
fn a_fault_that_would_begin_after_the_end_did_not_fire() {
    let run = idle(1).client("c", |_| async { Ok(()) }).fault(Fault::hold("a", "c").at(ms(40)));
    assert!(run.run().unwrap().fired().is_empty());
}
