//! What is logged, as it can be seen and changed at run time. Libraries install no logger, so the program hands this over.

use std::{fmt, sync::Arc};

/// A handle to the filter of a program's log. A clone is the same handle.
#[derive(Clone)]
pub struct LogFilter(Arc<dyn Filter>);

trait Filter: Send + Sync {
    fn show(&self) -> String;
    fn change(&self, filter: &str) -> Result<(), String>;
}

impl LogFilter {
    /// A filter out of two functions: one shows it, the other replaces it by what a text means, or says what is wrong
    /// with the text and changes nothing.
    pub fn new(
        show: impl Fn() -> String + Send + Sync + 'static,
        change: impl Fn(&str) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Functions(show, change)))
    }

    /// A filter of the `tracing` log that begins with `directives`, as `info,mainstay=debug`, and its handle. Wants the
    /// feature `log`.
    ///
    /// ```no_run
    /// use tracing_subscriber::prelude::*;
    ///
    /// # fn main() -> Result<(), mainstay::Error> {
    /// let (filter, log) = mainstay::admin::LogFilter::reloadable("info")?;
    /// tracing_subscriber::registry().with(filter).with(tracing_subscriber::fmt::layer()).init();
    /// let app = mainstay::App::from_env("stock")?.log_filter(log);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the directives cannot be read.
    #[cfg(feature = "log")]
    pub fn reloadable<S: tracing::Subscriber + 'static>(
        directives: &str,
    ) -> Result<(tracing_subscriber::reload::Layer<tracing_subscriber::EnvFilter, S>, Self), crate::Error> {
        let bad = |why| crate::Error::Setting { what: format!("the log filter `{directives}`"), why };
        let (layer, handle) = tracing_subscriber::reload::Layer::new(parse(directives).map_err(bad)?);
        let shown = handle.clone();
        let show = move || shown.with_current(ToString::to_string).unwrap_or_else(|gone| gone.to_string());
        let change = move |text: &str| handle.reload(parse(text)?).map_err(|gone| gone.to_string());
        Ok((layer, Self::new(show, change)))
    }

    /// What is logged now.
    pub fn show(&self) -> String {
        self.0.show()
    }

    /// Logs what `filter` says from now on.
    ///
    /// # Errors
    /// What is wrong with it; then nothing has changed.
    pub fn change(&self, filter: &str) -> Result<(), String> {
        self.0.change(filter)?;
        tracing::info!(filter = self.show(), "an operator changed what is logged");
        Ok(())
    }
}

#[cfg(feature = "log")]
fn parse(text: &str) -> Result<tracing_subscriber::EnvFilter, String> {
    if text.is_empty() {
        return Err("it is empty; `off` logs nothing".to_owned());
    }
    tracing_subscriber::EnvFilter::builder().parse(text).map_err(|error| error.to_string())
}

struct Functions<A, B>(A, B);

impl<A, B> Filter for Functions<A, B>
where
    A: Fn() -> String + Send + Sync,
    B: Fn(&str) -> Result<(), String> + Send + Sync,
{
    fn show(&self) -> String {
        (self.0)()
    }

    fn change(&self, filter: &str) -> Result<(), String> {
        (self.1)(filter)
    }
}

impl fmt::Debug for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LogFilter").field(&self.show()).finish()
    }
}

#[cfg(all(test, feature = "log"))]
mod tests {
    use super::*;
    use tracing::subscriber::with_default;
    use tracing_subscriber::{Registry, prelude::*};

    #[test]
    fn the_level_is_changed_at_run_time_and_a_bad_filter_changes_nothing() {
        let (filter, log) = LogFilter::reloadable::<Registry>("info").unwrap();
        let subscriber = tracing_subscriber::registry().with(filter);
        with_default(subscriber, || {
            let debugs = || tracing::enabled!(tracing::Level::DEBUG);
            assert!(!debugs() && log.show() == "info");
            log.change("debug").unwrap();
            assert!(debugs() && log.show() == "debug");
            for bad in ["", "a=b=c", "info,mainstay=loud"] {
                assert!(log.change(bad).is_err(), "{bad}");
            }
            assert!(debugs());
            log.change("off").unwrap();
            assert!(!tracing::enabled!(tracing::Level::ERROR));
        });
        assert!(LogFilter::reloadable::<Registry>("info,=").is_err());
    }
}
