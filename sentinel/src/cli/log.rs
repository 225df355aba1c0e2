//! The log: where it goes, and its two forms. As text a line is for people; as JSON it is an object with the same message
//! and, of a decision, its code, master, epoch and reason.

use std::fmt;
use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::{self, FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

use crate::conf::{LogFormat, ServerConfig};

/// Opens the log as the file says.
pub(super) fn open(server: &ServerConfig) -> io::Result<()> {
    let level = match server.loglevel.as_str() {
        "debug" => LevelFilter::DEBUG,
        "verbose" | "notice" => LevelFilter::INFO,
        _ => LevelFilter::WARN,
    };
    match server.logfile.as_deref().filter(|f| !f.is_empty()) {
        // Relative paths begin in `dir`, which is entered later.
        Some(file) => {
            let path = Path::new(server.dir.as_deref().unwrap_or("")).join(file);
            let file = OpenOptions::new().create(true).append(true).open(path)?;
            begin(level, server.log_format, std::sync::Mutex::new(file));
        }
        None => begin(level, server.log_format, io::stdout),
    }
    Ok(())
}

fn begin(level: LevelFilter, form: LogFormat, to: impl for<'a> MakeWriter<'a> + Send + Sync + 'static) {
    let log = tracing_subscriber::fmt().with_max_level(level).with_target(false).with_ansi(false).with_writer(to);
    match form {
        LogFormat::Text => log.fmt_fields(format::debug_fn(text_field)).init(),
        LogFormat::Json => log.event_format(Json).init(),
    }
}

/// The message names the event and the master already.
fn text_field(out: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    match field.name() {
        "message" => write!(out, "{value:?}"),
        "code" | "master" => Ok(()),
        name => write!(out, " {name}={value:?}"),
    }
}

/// One object a line.
#[derive(Debug)]
struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut at = String::new();
        SystemTime.format_time(&mut Writer::new(&mut at))?;
        let mut fields = Fields(Map::new());
        fields.put("at", at.into());
        fields.put("level", event.metadata().level().as_str().to_ascii_lowercase().into());
        event.record(&mut fields);
        writeln!(out, "{}", Value::Object(fields.0))
    }
}

struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field.name(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn said(form: LogFormat) -> String {
        let kept = Kept::default();
        let to = kept.clone();
        let log = tracing_subscriber::fmt().with_target(false).with_ansi(false).with_writer(move || to.clone());
        let tell = || {
            let (code, master, reason) = ("+try-failover", Some("m"), Some("down"));
            tracing::warn!(code, master, epoch = 4_u64, reason, "{code} master m h \"1\"");
        };
        match form {
            LogFormat::Text => {
                tracing::subscriber::with_default(log.fmt_fields(format::debug_fn(text_field)).finish(), tell);
            }
            LogFormat::Json => tracing::subscriber::with_default(log.event_format(Json).finish(), tell),
        }
        String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_decision_as_text() {
        let text = said(LogFormat::Text);
        assert!(text.ends_with(" WARN +try-failover master m h \"1\" epoch=4 reason=\"down\"\n"), "{text}");
    }

    #[test]
    fn a_decision_as_json() {
        let json: Value = serde_json::from_str(said(LogFormat::Json).trim()).unwrap();
        let expected = [
            ("level", Value::from("warn")),
            ("message", "+try-failover master m h \"1\"".into()),
            ("code", "+try-failover".into()),
            ("master", "m".into()),
            ("epoch", 4.into()),
            ("reason", "down".into()),
        ];
        for (name, value) in expected {
            assert_eq!(json[name], value, "{name} in {json}");
        }
        assert!(json["at"].as_str().unwrap().ends_with('Z'));
    }
}
