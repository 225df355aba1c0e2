//! Foreign peers under `target/peers`: each is made anew when what it is made of has changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use testbed::tree;

use super::run;
use crate::build::cargo;

const PYTHON_PACKAGES: &[&str] =
    &["grpcio", "grpcio-reflection", "grpcio-health-checking", "googleapis-common-protos", "protobuf"];
const GRPC_GO: &str = "google.golang.org/grpc/interop/client@v1.85.0";
const H2SPEC: &str = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible";
const GO_REDIS: &str = "tests/interop/redis/go";
const REDIS_RS: &str = "tests/interop/redis/rs";
const JAVA_REDIS: &str = "tests/interop/redis/java";
const DUBBO: &str = "tests/interop/dubbo";
const NACOS: &str = "tests/interop/nacos";
const MAVEN: &str = "https://repo.maven.apache.org/maven2";
/// The first Go that fetches the toolchain that a module asks for.
const GO_MINOR: u32 = 21;

/// Python's gRPC, in a virtual environment.
pub(super) fn python() -> Result<(), String> {
    let venv = tree::peers().join("python");
    made("Python's grpcio", &venv.join("installed"), &PYTHON_PACKAGES.join(" "), || {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
        run(Command::new(venv.join("bin/python")).args(["-m", "pip", "install", "--quiet"]).args(PYTHON_PACKAGES))
    })
}

/// The interop client of grpc-go. The program's name is that of its folder: `client`.
pub(super) fn grpc_go() -> Result<(), String> {
    let bin = tree::peers().join("bin");
    made("grpc-go's interop client", &bin.join("client.version"), GRPC_GO, || {
        go_is_new_enough()?;
        run(Command::new("go").args(["install", GRPC_GO]).env("GOBIN", &bin))
    })
}

/// h2spec.
pub(super) fn h2spec() -> Result<(), String> {
    let bin = tree::peers().join("bin");
    made("h2spec", &bin.join("h2spec.version"), H2SPEC, || {
        go_is_new_enough()?;
        run(Command::new("go").args(["install", H2SPEC]).env("GOBIN", &bin))
    })
}

/// A program of ours with go-redis. `go.sum` holds the checksums.
pub(super) fn go_redis() -> Result<(), String> {
    let bin = tree::peers().join("bin");
    let from = tree::root().join(GO_REDIS);
    made("a client with go-redis", &bin.join("go-redis.version"), &all(&from)?, || {
        go_is_new_enough()?;
        let mut build = Command::new("go");
        run(build.args(["build", "-mod=readonly", "-o"]).arg(bin.join("go-redis")).arg(".").current_dir(&from))
    })
}

/// A program of ours with redis-rs. `Cargo.lock` holds the checksums.
pub(super) fn redis_rs() -> Result<(), String> {
    let bin = tree::peers().join("bin");
    let from = tree::root().join(REDIS_RS);
    made("a client with redis-rs", &bin.join("redis-rs.version"), &all(&from)?, || {
        let mut build = cargo();
        build.args(["install", "--quiet", "--locked", "--debug", "--force", "--no-track", "--path"]).arg(&from);
        run(build.arg("--root").arg(tree::peers()).arg("--target-dir").arg(tree::peers().join("redis-rs")))
    })
}

/// Programs of ours with jedis and lettuce. `jars.txt` holds what they stand on, with the checksums, as `sha256sum` reads it.
pub(super) fn java_redis() -> Result<(), String> {
    let java = tree::peers().join("java");
    let from = tree::root().join(JAVA_REDIS);
    made("clients with jedis and lettuce", &java.join("installed"), &all(&from)?, || {
        let list = from.join("jars.txt");
        for line in read(&list)?.lines() {
            let (_, jar) = line.split_once("  ").ok_or_else(|| format!("{}: no checksum: {line}", list.display()))?;
            let mut curl = Command::new("curl");
            curl.args(["-sSfL", "--retry", "3", "--create-dirs", "-o"]).arg(java.join("jars").join(jar));
            run(curl.arg(format!("{MAVEN}/{jar}")))?;
        }
        let mut sums = Command::new("sha256sum");
        run(sums.args(["--check", "--strict", "--quiet"]).arg(&list).current_dir(java.join("jars")))?;
        let mut compile = Command::new("javac");
        compile.arg("-d").arg(java.join("classes")).arg("-cp").arg(class_path(&java.join("jars"))?);
        run(compile.args(["JedisClient.java", "LettuceClient.java"]).current_dir(&from))
    })
}

/// A provider and a consumer of Dubbo Java. `pom.xml` holds the versions of what they stand on.
pub(super) fn dubbo_java() -> Result<(), String> {
    let out = tree::peers().join("dubbo-java");
    let from = tree::root().join(DUBBO);
    let of = read(&from.join("desk.proto"))? + &all(&from.join("java"))?;
    made("Dubbo Java's provider and consumer", &out.join("installed"), &of, || {
        let mut maven = Command::new("mvn");
        maven.args(["--quiet", "--batch-mode", "package"]).arg(format!("-Dout={}", out.display()));
        run(maven.current_dir(from.join("java")))
    })
}

/// A Nacos server: modules of Maven Central, and a main class of ours, since its makers publish no server there.
pub(super) fn nacos() -> Result<(), String> {
    let nacos = tree::peers().join("nacos");
    let from = tree::root().join(NACOS);
    made("a Nacos server", &nacos.join("installed"), &all(&from)?, || {
        let (jars, classes) = (nacos.join("jars"), nacos.join("classes"));
        let mut copy = Command::new("mvn");
        copy.args(["-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime"]).current_dir(&from);
        run(copy.arg(format!("-DoutputDirectory={}", jars.display())))?;
        let mut compile = Command::new("javac");
        compile.arg("-d").arg(classes).arg("-cp").arg(class_path(&jars)?);
        run(compile.arg("NacosServer.java").current_dir(&from))
    })
}

/// A provider and a consumer of dubbo-go. `go.sum` holds the checksums; the first build takes minutes and gigabytes.
pub(super) fn dubbo_go() -> Result<(), String> {
    let out = tree::peers().join("dubbo-go");
    let from = tree::root().join(DUBBO).join("go");
    made("dubbo-go's provider and consumer", &out.join("installed"), &all(&from)?, || {
        go_is_new_enough()?;
        let mut build = Command::new("go");
        run(build.args(["build", "-mod=readonly", "-o"]).arg(out.join("desk")).arg(".").current_dir(&from))
    })
}

/// Does `make` unless `stamp` says that it was done with just this.
fn made(what: &str, stamp: &Path, of: &str, make: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    if fs::read_to_string(stamp).is_ok_and(|had| had == of) {
        return Ok(());
    }
    let place = stamp.parent().unwrap_or(stamp);
    println!("installing {what} into {}", place.display());
    fs::create_dir_all(place).map_err(|e| format!("making {}: {e}", place.display()))?;
    make()?;
    fs::write(stamp, of).map_err(|e| format!("writing {}: {e}", stamp.display()))
}

/// All that the files of a folder hold.
fn all(folder: &Path) -> Result<String, String> {
    let mut files = files(folder)?;
    files.sort();
    files.iter().map(|f| read(f)).collect()
}

fn class_path(jars: &Path) -> Result<String, String> {
    let jars: Vec<String> = files(jars)?.iter().map(|j| j.display().to_string()).collect();
    Ok(jars.join(":"))
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |e| format!("reading {}: {e}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    Ok(found)
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("reading {}: {e}", path.display()))
}

fn go_is_new_enough() -> Result<(), String> {
    let version = Command::new("go").args(["env", "GOVERSION"]).output();
    let version = version.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default();
    if go_minor(&version).is_none_or(|minor| minor < GO_MINOR) {
        return Err(format!("Go 1.{GO_MINOR} or later is wanted on the PATH; found `{version}`"));
    }
    Ok(())
}

fn go_minor(version: &str) -> Option<u32> {
    version.strip_prefix("go1.")?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_versions_are_read() {
        assert_eq!(go_minor("go1.26.8"), Some(26));
        assert_eq!(go_minor("go1.19"), Some(19));
        assert_eq!(go_minor("go1.27rc1"), Some(27));
        assert_eq!(go_minor(""), None);
    }

    #[test]
    fn a_peer_is_made_once_and_again_when_it_changed() {
        let dir = testbed::Scratch::new("peer").unwrap();
        let stamp = dir.join("folder/stamp");
        let mut times = 0;
        for of in ["a", "a", "b"] {
            made("it", &stamp, of, || {
                times += 1;
                Ok(())
            })
            .unwrap();
        }
        assert_eq!(times, 2);
        made("it", &stamp, "c", || Err("no".into())).unwrap_err();
        assert_eq!(fs::read_to_string(&stamp).unwrap(), "b");
    }

    #[test]
    fn every_jar_has_a_checksum_and_a_version() {
        let text = fs::read_to_string(tree::root().join(JAVA_REDIS).join("jars.txt")).unwrap();
        for line in text.lines() {
            let (sum, jar) = line.split_once("  ").unwrap();
            assert!(sum.len() == 64 && sum.bytes().all(|b| b.is_ascii_hexdigit()), "{line}");
            let [.., artifact, version, file] = jar.split('/').collect::<Vec<_>>()[..] else { panic!("{line}") };
            assert_eq!(file, format!("{artifact}-{version}.jar"));
        }
    }
}
