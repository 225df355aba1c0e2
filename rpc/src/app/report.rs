//! What an application tells people without any logger: where it is, what it is set to, what can be set. Pure.

use super::{
    advertise::Advertised,
    settings::{SETTINGS, Setting},
    sources::{Origin, Resolved},
};
use mainstay_registry::LeaseState;
use std::{fmt::Write, net::SocketAddr};

/// The lines that `run` prints once it listens.
pub(crate) fn banner(
    application: &str,
    services: &[String],
    listening: SocketAddr,
    advertised: &Advertised,
    registry: &str,
    admin: Option<SocketAddr>,
) -> String {
    let mut text = format!("{application} serves {}\n", services.join(", "));
    row(&mut text, "listening", &listening.to_string());
    row(&mut text, "advertised", &format!("{advertised} ({})", advertised.rule));
    row(&mut text, "registry", registry);
    admin.iter().for_each(|admin| row(&mut text, "admin", &format!("http://{admin}/")));
    text
}

/// The line that says how the registration does now.
pub(crate) fn registration(state: &LeaseState) -> String {
    match state {
        LeaseState::Registered => "  registered\n".to_owned(),
        LeaseState::Unsupported => "  not registered, since this registry takes no registrations\n".to_owned(),
        LeaseState::Offline => "  offline: an operator took the registration back\n".to_owned(),
        LeaseState::Lost { reason } => format!("  the registration is lost and being repaired: {reason}\n"),
        state => format!("  the registration is {state}\n"),
    }
}

fn row(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "  {name:<11} {value}");
}

/// Each setting with its value and who set it.
pub(crate) fn rows(resolved: &Resolved) -> Vec<[String; 3]> {
    let row = |setting: &Setting| {
        let (value, origin) = ((setting.show)(&resolved.settings), resolved.origin(setting.name));
        [setting.name.to_owned(), value, origin.to_string()]
    };
    SETTINGS.iter().map(row).collect()
}

/// Each setting with its value and who set it, and what would be listened on and advertised.
pub(crate) fn settings(resolved: &Resolved, listening: SocketAddr, advertised: &Advertised) -> String {
    let mut rows = rows(resolved);
    let rule = |name: &str| match resolved.origin(name) {
        Origin::Default => "by rule".to_owned(),
        origin => origin.to_string(),
    };
    rows.push(["→ listening".to_owned(), free(&listening.to_string()), rule("listen")]);
    rows.push(["→ advertised".to_owned(), free(&advertised.to_string()), advertised.rule.to_string()]);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (first, second) = (width(0), width(1));
    rows.iter().fold(String::new(), |mut text, [name, value, origin]| {
        let _ = writeln!(text, "{name:<first$}  {value:<second$}  {origin}");
        text
    })
}

/// An address whose port 0 stands for any.
fn free(address: &str) -> String {
    address.strip_suffix(":0").map_or(address.to_owned(), |host| format!("{host}, a free port"))
}

/// What can be set, and how.
pub(crate) fn help(application: &str) -> String {
    let mut text = format!("{application}: settings, as a flag, a variable (MAINSTAY_…) or a key of the file\n\n");
    for setting in SETTINGS {
        let _ = writeln!(text, "  --{:<26}{}", format!("{} {}", setting.name, setting.takes), setting.help);
    }
    for (name, help) in [
        ("config FILE", "a file of settings in TOML; also MAINSTAY_CONFIG"),
        ("print-config", "shows each setting and who set it, and ends"),
        ("help", "shows this, and ends"),
    ] {
        let _ = writeln!(text, "  --{name:<26}{help}");
    }
    text.push_str("\nFlags win over variables, variables over the file, the file over what the program says.\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::advertise::{self, Rule};
    use crate::app::sources::Given;

    #[test]
    fn the_banner_says_where_it_is_and_why() {
        let advertised = Advertised { host: "127.0.0.1".to_owned(), port: 7001, rule: Rule::Local };
        let services = ["shop.StockApi 1.0.0".to_owned()];
        let text = banner("stock", &services, "0.0.0.0:7001".parse().unwrap(), &advertised, "file:///x (here)", None);
        assert_eq!(
            text,
            "stock serves shop.StockApi 1.0.0\n  listening   0.0.0.0:7001\n  advertised  127.0.0.1:7001 (loopback, \
             since the registry is of this machine only)\n  registry    file:///x (here)\n"
        );
    }

    #[test]
    fn each_setting_is_shown_with_who_set_it() {
        let given = Given { name: "zone", text: "a".to_owned(), origin: Origin::Variable("MAINSTAY_ZONE".to_owned()) };
        let resolved = Resolved::of(vec![given]).unwrap();
        let listening = advertise::listen(resolved.settings.listen, true);
        let advertised = advertise::advertise(&resolved.settings.advertise, listening, true, None);
        let text = settings(&resolved, listening, &advertised);
        assert!(SETTINGS.iter().all(|s| text.lines().any(|line| line.starts_with(s.name))), "{text}");
        let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        assert!(line("zone").ends_with("  MAINSTAY_ZONE"), "{text}");
        assert!(line("weight").ends_with(" default"), "{text}");
        assert!(line("→ advertised").contains("127.0.0.1, a free port"), "{text}");
    }

    #[test]
    fn help_names_every_setting() {
        let text = help("stock");
        assert!(SETTINGS.iter().all(|s| text.contains(&format!("--{} {}", s.name, s.takes))), "{text}");
    }
}
