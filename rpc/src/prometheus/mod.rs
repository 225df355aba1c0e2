//! Metrics as Prometheus reads them: a recorder of the `metrics` facade that keeps counters, gauges and histograms in
//! buckets, and writes them as text. It opens no port: an `App` shows it on its admin port, others may show it anywhere.
//!
//! Everything is bounded. A histogram is a fixed row of numbers, whether it is scraped or not. Labels hold what peers
//! send, so of each metric [`MAX_SERIES`] label sets are told apart; what comes on top counts in one with the label
//! `overflow="true"`.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | [`Prometheus`], the recorder |
//! | `families.rs` | what there is: families, their series, their bounds |
//! | `histogram.rs` | counts by bucket |
//! | `text.rs` | the exposition format |

mod families;
mod histogram;
mod text;

use crate::{Error, layer::names};
use families::{Families, Kind, Series};
use histogram::Histogram;
use metrics::{Key, KeyName, Metadata, Recorder, SharedString, Unit};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

pub use families::MAX_SERIES;

/// The buckets of a histogram when nothing else is said: seconds, from half a millisecond to ten seconds.
pub const SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// A recorder, and what it has recorded. A clone is the same one.
///
/// ```no_run
/// # fn main() -> Result<(), mainstay::Error> {
/// let metrics = mainstay::prometheus::Prometheus::new();
/// metrics.install()?;
/// println!("{}", metrics.text());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Prometheus(Arc<Inner>);

struct Inner {
    buckets: HashMap<String, Arc<[f64]>>,
    /// What was asked for before, as it was asked for.
    known: RwLock<HashMap<Key, Series>>,
    families: Mutex<Families>,
}

impl Prometheus {
    /// A recorder of nothing yet.
    pub fn new() -> Self {
        Self::with(HashMap::new())
    }

    /// One of nothing yet, with other buckets for the histogram of this name: upper bounds, in any order.
    #[must_use]
    pub fn buckets(self, histogram: impl Into<String>, bounds: impl IntoIterator<Item = f64>) -> Self {
        let mut buckets = self.0.buckets.clone();
        buckets.insert(histogram.into(), histogram::bounds(bounds));
        Self::with(buckets)
    }

    fn with(buckets: HashMap<String, Arc<[f64]>>) -> Self {
        let mut families = Families::default();
        names::ALL.iter().for_each(|(name, help)| families.describe(name, help));
        Self(Arc::new(Inner { buckets, known: RwLock::default(), families: Mutex::new(families) }))
    }

    /// Makes it the recorder of this process. Handles of methods are kept from their first call on: install it before that.
    ///
    /// # Errors
    /// When the process has a recorder already.
    pub fn install(&self) -> Result<(), Error> {
        metrics::set_global_recorder(self.clone()).map_err(|_| Error::Setting {
            what: "the recorder of metrics".to_owned(),
            why: "this process has one already, which a program sets once".to_owned(),
        })
    }

    /// Everything that was recorded, in Prometheus' text format 0.0.4, in the order of the names.
    pub fn text(&self) -> String {
        text::text(&self.families())
    }

    fn families(&self) -> MutexGuard<'_, Families> {
        self.0.families.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The series of a key; `None` when the name is that of another kind of metric.
    fn series(&self, key: &Key, kind: Kind) -> Option<Series> {
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        if let Some(series) = known {
            return Some(series).filter(|series| series.kind() == kind);
        }
        let bounds = || self.0.buckets.get(key.name()).cloned().unwrap_or_else(|| SECONDS.into());
        let (series, is_its_own) = self.families().series(key, kind, || Series::new(kind, bounds))?;
        // What shares a series is looked for anew each time: there is no end of such keys.
        if is_its_own {
            let mut known = self.0.known.write().unwrap_or_else(PoisonError::into_inner);
            known.insert(key.clone(), series.clone());
        }
        Some(series)
    }
}

impl Default for Prometheus {
    fn default() -> Self {
        Self::new()
    }
}

impl Recorder for Prometheus {
    fn describe_counter(&self, key: KeyName, _: Option<Unit>, description: SharedString) {
        self.families().describe(key.as_str(), &description);
    }

    fn describe_gauge(&self, key: KeyName, _: Option<Unit>, description: SharedString) {
        self.families().describe(key.as_str(), &description);
    }

    fn describe_histogram(&self, key: KeyName, _: Option<Unit>, description: SharedString) {
        self.families().describe(key.as_str(), &description);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> metrics::Counter {
        match self.series(key, Kind::Counter) {
            Some(Series::Counter(count)) => metrics::Counter::from_arc(count),
            _ => metrics::Counter::noop(),
        }
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> metrics::Gauge {
        match self.series(key, Kind::Gauge) {
            Some(Series::Gauge(value)) => metrics::Gauge::from_arc(value),
            _ => metrics::Gauge::noop(),
        }
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> metrics::Histogram {
        match self.series(key, Kind::Histogram) {
            Some(Series::Histogram(histogram)) => metrics::Histogram::from_arc(histogram),
            _ => metrics::Histogram::noop(),
        }
    }
}

impl fmt::Debug for Prometheus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prometheus")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        call::{Code, Status},
        layer::{
            MetricsLayer, Side,
            testing::{answering, call},
        },
    };
    use metrics::{counter, gauge, histogram, with_local_recorder};
    use tower_layer::Layer;
    use tower_service::Service;

    #[test]
    fn what_is_recorded_is_written() {
        let all = Prometheus::new().buckets("size", [10.0, 1.0, f64::NAN]);
        with_local_recorder(&all, || {
            counter!("calls_total", "method" => "A").increment(2);
            counter!("calls_total", "method" => "A").increment(1);
            gauge!("line").set(7.5);
            metrics::describe_counter!("calls_total", "Calls.\nAll of them.");
            [0.5, 1.0, 5.0, 50.0].into_iter().for_each(|size| histogram!("size").record(size));
            counter!("line").increment(1);
        });
        assert_eq!(
            all.text(),
            "# HELP calls_total Calls.\\nAll of them.\n# TYPE calls_total counter\ncalls_total{method=\"A\"} 3\n\
             # TYPE line gauge\nline 7.5\n\
             # TYPE size histogram\nsize_bucket{le=\"1\"} 2\nsize_bucket{le=\"10\"} 3\nsize_bucket{le=\"+Inf\"} 4\n\
             size_sum 56.5\nsize_count 4\n",
            "a counter by the name of a gauge is none"
        );
    }

    #[test]
    fn a_peer_cannot_grow_the_label_set() {
        let all = Prometheus::new();
        with_local_recorder(&all, || {
            for tenant in 0..MAX_SERIES * 3 {
                counter!("calls_total", "tenant" => tenant.to_string()).increment(1);
            }
            counter!("calls_total", "tenant" => "7").increment(1);
            counter!("calls_total", "tenant" => "x".repeat(1 << 20)).increment(1);
        });
        let text = all.text();
        let lines = text.lines().filter(|line| line.starts_with("calls_total")).count();
        assert_eq!(lines, MAX_SERIES + 1);
        assert!(text.contains("calls_total{tenant=\"7\"} 2\n"), "one that is known goes on");
        assert!(text.contains(&format!("calls_total{{overflow=\"true\"}} {}\n", MAX_SERIES * 2 + 1)));
        assert_eq!(all.0.known.read().unwrap().len(), MAX_SERIES);
    }

    #[tokio::test]
    async fn a_call_is_counted_by_names_that_are_described() {
        let all = Prometheus::new();
        let _recorder = metrics::set_default_local_recorder(&all);
        let service = answering(|_| Err(Status::new(Code::NotFound, "no")));
        let mut service = MetricsLayer::new(Side::Server).layer(service);
        service.call(call(crate::call::Kind::Unary, false)).await.unwrap_err();
        let text = all.text();
        for line in [
            "# TYPE mainstay_server_calls_total counter",
            "mainstay_server_calls_total{service=\"a.B\",method=\"C\",code=\"NOT_FOUND\"} 1",
            "mainstay_server_call_duration_seconds_count{service=\"a.B\",method=\"C\"} 1",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} in\n{text}");
        }
        assert_eq!(text.matches("# TYPE ").count(), text.matches("# HELP ").count(), "{text}");
    }
}
