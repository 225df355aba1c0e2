//! Where the set of rules comes from: a file, or a key of the config centre. Both are followed; a text that is gone or empty is no
//! wish for no rules, and one that is wrong, or fails a test of its own, leaves what was in force.

use super::Risk;
use crate::flow::Source;

/// Follows the rules for as long as the future is polled.
pub(crate) async fn follow(source: Source, risk: Risk) {
    source.follow("risk rules", |text, place| take(&risk, text, place)).await;
}

fn take(risk: &Risk, text: &str, place: &str) {
    match risk.take(text) {
        Ok(version) => tracing::info!(place, version, "risk rules are in force"),
        Err(why) => tracing::error!(place, "risk rules are refused, what was in force stays:\n{why}"),
    }
}
