//! What the chosen groups need besides Rust: Debian packages, and foreign peers that are installed under `target/`.
//!
//! Packages are installed without starting a service of theirs: tests start servers on ports of their own.

mod peers;

use std::collections::BTreeSet;
use std::fs;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use crate::args::Args;
use crate::groups::Group;

/// One thing that a group needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// A program, and the Debian package that brings it.
    Debian { program: &'static str, package: &'static str },
    /// Python's client of Redis, of the system.
    PythonRedis,
    /// Python's gRPC, in a virtual environment.
    PythonGrpc,
    /// The interop client of grpc-go, built by `go install`.
    GoInterop,
    /// h2spec, which knows what HTTP/2 must be, built by `go install`: only with `--long`.
    H2spec,
    /// A client with go-redis, built by `go build`.
    GoRedis,
    /// A client with redis-rs, built by cargo in a workspace of its own.
    RustRedis,
    /// Clients with jedis and lettuce, built by `javac` on jars of Maven Central.
    JavaRedis,
    /// A provider and a consumer of Dubbo Java, built by Maven.
    DubboJava,
    /// A Nacos server, from modules of Maven Central and a main class of ours.
    Nacos,
    /// A provider and a consumer of dubbo-go, built by `go build`: only with `--long`.
    DubboGo,
    /// The lowest Rust that the manifest promises, where rustup can bring it: only with `--long`.
    LowestRust,
}

const LOWEST_RUST: &str = env!("CARGO_PKG_RUST_VERSION");

/// The Debian package behind a need, if its program is missing.
fn missing(need: Need) -> Option<&'static str> {
    match need {
        Need::Debian { program, package } => (!on_path(program)).then_some(package),
        Need::PythonRedis => (!imports("/usr/bin/python3", "redis")).then_some("python3-redis"),
        Need::PythonGrpc => (!imports("python3", "venv, ensurepip")).then_some("python3-venv"),
        Need::GoInterop | Need::H2spec | Need::GoRedis | Need::DubboGo => (!on_path("go")).then_some("golang-go"),
        Need::RustRedis | Need::LowestRust => None,
        Need::Nacos => (!on_path("mvn")).then_some("maven"),
        Need::JavaRedis => (!on_path("javac")).then_some("default-jdk-headless"),
        Need::DubboJava => (!on_path("mvn")).then_some("maven"),
    }
}

/// A Python has these modules. What Debian's packages bring, the Python that Debian brings has.
fn imports(python: &str, modules: &str) -> bool {
    let found = Command::new(python).args(["-c", &format!("import {modules}")]).output();
    found.is_ok_and(|o| o.status.success())
}

/// Installs the Debian packages that are missing, after asking. Ends the program when that may not or cannot be.
pub(crate) fn debian(chosen: &[&Group], args: &Args) -> Result<(), ExitCode> {
    let packages: BTreeSet<_> = needed(chosen, args).into_iter().filter_map(missing).collect();
    if packages.is_empty() {
        return Ok(());
    }
    let line = packages.into_iter().collect::<Vec<_>>().join(" ");
    println!("missing Debian packages: {line}");
    if !on_path("apt-get") {
        eprintln!("there is no apt-get here: install what these packages hold, then run again");
        return Err(ExitCode::from(2));
    }
    if !rustix::process::geteuid().is_root() {
        eprintln!("run once: sudo apt-get update && sudo apt-get install -y --no-install-recommends {line}");
        return Err(ExitCode::from(2));
    }
    if !args.yes && !agreed() {
        eprintln!("nothing installed; `cargo suite --yes` installs without asking");
        return Err(ExitCode::from(2));
    }
    install(&line).map_err(|e| {
        eprintln!("{e}");
        ExitCode::from(2)
    })
}

/// Installs the foreign peers that are missing; returns what could not be had.
pub(crate) fn peers(chosen: &[&Group], args: &Args) -> Vec<String> {
    needed(chosen, args).into_iter().filter_map(|need| peer(need).err()).collect()
}

/// What the steps that will run need. A group that only `--quick` thins out still asks for everything of its row, except
/// foreign peers, which no quick step uses.
fn needed(chosen: &[&Group], args: &Args) -> BTreeSet<Need> {
    let quick = |n: &Need| !args.quick || matches!(n, Need::Debian { .. });
    let long = |n: &Need| args.long || !matches!(n, Need::DubboGo | Need::H2spec | Need::LowestRust);
    chosen.iter().flat_map(|g| g.needs).copied().filter(quick).filter(long).collect()
}

fn peer(need: Need) -> Result<(), String> {
    match need {
        Need::Debian { .. } | Need::PythonRedis => Ok(()),
        Need::RustRedis => peers::redis_rs(),
        Need::PythonGrpc => peers::python(),
        Need::GoInterop => peers::grpc_go(),
        Need::H2spec => peers::h2spec(),
        Need::GoRedis => peers::go_redis(),
        Need::JavaRedis => peers::java_redis(),
        Need::DubboJava => peers::dubbo_java(),
        Need::DubboGo => peers::dubbo_go(),
        Need::Nacos => peers::nacos(),
        Need::LowestRust => lowest_rust(),
    }
}

/// Without rustup nothing can be done: then only what the manifests say is checked.
fn lowest_rust() -> Result<(), String> {
    let Ok(list) = Command::new("rustup").args(["toolchain", "list"]).output() else { return Ok(()) };
    if String::from_utf8_lossy(&list.stdout).lines().any(|l| l.starts_with(LOWEST_RUST)) {
        return Ok(());
    }
    println!("installing Rust {LOWEST_RUST}");
    let install = ["toolchain", "install", LOWEST_RUST, "--profile", "minimal", "--no-self-update"];
    run(Command::new("rustup").args(install))
}

fn install(line: &str) -> Result<(), String> {
    let _quiet = NoServices::new()?;
    run(Command::new("apt-get").args(["update", "-qq"]))?;
    let mut apt = Command::new("apt-get");
    apt.args(["install", "-y", "-qq", "--no-install-recommends"]).args(line.split(' '));
    run(apt.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1"))
}

/// While it lives, Debian's `policy-rc.d` says that no service may be started. One that is there already stays.
struct NoServices(bool);

const POLICY: &str = "/usr/sbin/policy-rc.d";

impl NoServices {
    fn new() -> Result<NoServices, String> {
        let ours = !Path::new(POLICY).exists();
        if ours {
            let written = fs::write(POLICY, "#!/bin/sh\nexit 101\n");
            let set = written.and_then(|()| fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755)));
            set.map_err(|e| format!("writing {POLICY}: {e}"))?;
        }
        Ok(NoServices(ours))
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.0
            && let Err(e) = fs::remove_file(POLICY)
        {
            eprintln!("remove {POLICY} by hand, or no package will start its service: {e}");
        }
    }
}

fn agreed() -> bool {
    if !std::io::stdin().is_terminal() {
        return false;
    }
    print!("install them now? [Y/n] ");
    let mut answer = String::new();
    let asked = std::io::stdout().flush().and_then(|()| std::io::stdin().read_line(&mut answer));
    asked.is_ok_and(|n| n > 0) && matches!(answer.trim(), "" | "y" | "Y" | "yes")
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // A user's PATH often lacks the last two, where `ip` and `nft` are.
    let system = ["/usr/sbin", "/sbin"].map(Into::into);
    std::env::split_paths(&path).chain(system).any(|dir| dir.join(program).exists())
}

fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|e| format!("{command:?}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_where_root_has_them() {
        assert!(on_path("sh"));
        assert!(!on_path("no-such-program"));
    }
}
