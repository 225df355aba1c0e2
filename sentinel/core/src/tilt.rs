//! TILT: after a stall of the loop (a stopped process, a starved machine) what is known is old, so nothing is decided.
//!
//! The clock is monotonic and a stall is lateness against the time this sentinel asked to be woken at: steps of the wall
//! clock and quiet times raise no alarm. Votes and hellos go on, the master is told to be up.

use super::ids::Millis;
use super::notice::What;
use super::state::Sentinel;

impl Sentinel {
    /// Enters TILT if this step comes far too late, and leaves it when its period is over.
    pub(super) fn check_tilt(&mut self) {
        if self.started && self.now.since(self.wake) > self.globals.timings.tilt_trigger {
            if self.tilt.is_none() {
                self.tell(What::Tilt);
            }
            self.tilt = Some(self.now);
        }
        if self.tilt_end() <= self.now {
            self.tilt = None;
            self.tell(What::TiltEnd);
            for m in self.masters.values_mut() {
                m.wake = self.now;
            }
        }
    }

    /// When TILT ends.
    pub(super) fn tilt_end(&self) -> Millis {
        self.tilt.map_or(Millis::NEVER, |since| since.after(self.globals.timings.tilt_period))
    }
}

#[cfg(test)]
mod tests {
    use crate::event::Event;
    use crate::table::{Table, channels};

    #[test]
    fn a_late_wake_tilts_and_a_quiet_time_does_not() {
        let mut t = Table::settled();
        let wake = t.sentinel.wake;
        assert!(!channels(&t.step_at(Event::Timer, wake.after(1_900))).contains(&"+tilt"));
        let wake = t.sentinel.wake;
        let late = t.step_at(Event::Timer, wake.after(2_100));
        assert!(channels(&late).contains(&"+tilt"));
        assert!(!channels(&late).contains(&"+sdown"), "nothing is decided in TILT");
        t.run_for(29_000);
        assert!(t.sentinel.tilt().is_some());
        t.run_for(2_000);
        assert!(t.sentinel.tilt().is_none());
    }
}
