//! What is known of one endpoint's load: the calls under way there, and the latency that was seen. Pure: the time is an
//! argument, counted from any fixed moment.
//!
//! The latency is a peak-sensitive moving average: a slower answer counts at once and in full, faster ones wear it down
//! with [`DECAY`], and so does time in which nothing is heard, so that an endpoint that was slow once is tried again.
//! One word holds the average and its time, so writers never wait; of two writers at once one may be lost, which a
//! moving average does not feel.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

/// How fast old answers are forgotten: after this time they weigh a third.
pub(crate) const DECAY: Duration = Duration::from_secs(5);

/// What a failure counts as, at least: an endpoint that fails fast must not look like one that answers fast.
pub(crate) const PENALTY: Duration = Duration::from_millis(100);

/// What was heard of an endpoint, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Heard {
    /// The average, worn down by the time since.
    pub(crate) latency: f32,
    /// The average as it was.
    pub(crate) was: f32,
    /// How long ago that is.
    pub(crate) ago: f32,
}

/// Microseconds in one tick of the packed time, which then lasts for 19 hours before it wraps.
const TICK: u128 = 16;

/// The load of one endpoint.
#[derive(Debug, Default)]
pub(crate) struct Load {
    in_flight: AtomicUsize,
    /// The average in microseconds as the bits of an `f32`, and the tick at which it was so. 0: nothing is known.
    latency: AtomicU64,
    /// What round robin owes this endpoint.
    credit: AtomicI64,
}

impl Load {
    /// A call begins.
    pub(crate) fn enter(&self) {
        self.in_flight.fetch_add(1, Relaxed);
    }

    /// A call has ended, in whatever way.
    pub(crate) fn leave(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// Calls under way.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Relaxed)
    }

    /// An answer took `latency`.
    pub(crate) fn observe(&self, latency: Duration, now: Duration) {
        // Never zero: that stands for nothing known.
        let sample = micros(latency).max(0.001);
        let tick = tick(now);
        let average = match self.unpack(tick) {
            Some((average, age)) if sample < average => {
                let weight = weight(age);
                average * weight + sample * (1.0 - weight)
            }
            _ => sample,
        };
        self.latency.store(u64::from(average.to_bits()) << 32 | u64::from(tick), Relaxed);
    }

    /// A call was given up after `elapsed`. It says something only when that is longer than what is usual here.
    pub(crate) fn observe_abandoned(&self, elapsed: Duration, now: Duration) {
        if self.latency(now).is_some_and(|usual| micros(elapsed) > usual) {
            self.observe(elapsed, now);
        }
    }

    /// The average in microseconds, worn down by the time since; `None` when nothing is known.
    pub(crate) fn latency(&self, now: Duration) -> Option<f32> {
        self.heard(now).map(|heard| heard.latency)
    }

    /// What was heard last; `None` when nothing is known.
    pub(crate) fn heard(&self, now: Duration) -> Option<Heard> {
        let (was, age) = self.unpack(tick(now))?;
        Some(Heard { latency: was * weight(age), was, ago: age as f32 * TICK as f32 })
    }

    /// See [`Load::credit`].
    pub(crate) fn credit(&self) -> &AtomicI64 {
        &self.credit
    }

    /// The average, and how many ticks old it is.
    fn unpack(&self, now: u32) -> Option<(f32, u32)> {
        let packed = self.latency.load(Relaxed);
        if packed == 0 {
            return None;
        }
        let age = now.wrapping_sub(packed as u32);
        // A writer whose clock was read earlier: the average is from its future, which is now.
        let age = if age > u32::MAX / 2 { 0 } else { age };
        Some((f32::from_bits((packed >> 32) as u32), age))
    }
}

/// What weight an average of this age still has.
fn weight(age: u32) -> f32 {
    (-(age as f32) * TICK as f32 / DECAY.as_micros() as f32).exp()
}

fn micros(time: Duration) -> f32 {
    time.as_secs() as f32 * 1e6 + time.subsec_nanos() as f32 / 1e3
}

fn tick(now: Duration) -> u32 {
    (now.as_micros() / TICK) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_peak_counts_at_once_and_wears_off() {
        let load = Load::default();
        assert_eq!(load.latency(Duration::ZERO), None);
        load.observe(MS, Duration::ZERO);
        assert_eq!(load.latency(Duration::ZERO), Some(1000.0));
        load.observe(200 * MS, MS);
        assert_eq!(load.latency(MS), Some(200_000.0));
        let later = load.latency(MS + DECAY).unwrap();
        assert!((later - 200_000.0 / std::f32::consts::E).abs() < 100.0, "{later}");
    }

    #[test]
    fn a_call_given_up_early_says_nothing_and_one_given_up_late_does() {
        let load = Load::default();
        load.observe_abandoned(5 * MS, Duration::ZERO);
        assert_eq!(load.latency(Duration::ZERO), None);
        load.observe(2 * MS, Duration::ZERO);
        load.observe_abandoned(MS, Duration::ZERO);
        assert_eq!(load.latency(Duration::ZERO), Some(2000.0));
        load.observe_abandoned(500 * MS, Duration::ZERO);
        assert_eq!(load.latency(Duration::ZERO), Some(500_000.0));
    }

    #[test]
    fn a_clock_that_was_read_earlier_does_no_harm() {
        let load = Load::default();
        load.observe(MS, Duration::from_secs(2));
        assert_eq!(load.latency(Duration::from_secs(1)), Some(1000.0));
    }

    proptest! {
        /// Against the same rule in double precision and without packing.
        #[test]
        fn it_is_the_moving_average(samples in prop::collection::vec((1u64..1_000_000, 0u64..2_000_000), 1..60)) {
            let load = Load::default();
            let (mut now, mut model, mut at) = (0u64, f64::NAN, 0u64);
            for (latency, pause) in samples {
                now += pause;
                load.observe(Duration::from_micros(latency), Duration::from_micros(now));
                let weight = (-((now - at) as f64) / DECAY.as_micros() as f64).exp();
                let sample = latency as f64;
                model = if sample < model { model * weight + sample * (1.0 - weight) } else { sample };
                at = now;
                let seen = f64::from(load.latency(Duration::from_micros(now)).unwrap());
                prop_assert!((seen - model).abs() <= model * 0.001 + 1.0, "{} instead of {}", seen, model);
            }
        }
    }
}
