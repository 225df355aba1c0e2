//! The groups of the suite, a row each. A later part of the project adds its row here, and nothing else.

use crate::checks;
use crate::needs::Need;

/// What belongs together, runs together, and needs the same things.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) pace: Pace,
    pub(crate) needs: &'static [Need],
    pub(crate) steps: &'static [Step],
}

/// What a group does with the machine: what builds is done beside what waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Compilers take all there is.
    Builds,
    /// It waits, for servers that start, sessions that expire and elections, more than it works.
    Waits,
    /// It works or measures: with company it would be neither faster nor right.
    Alone,
}

/// When a step runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Always,
    /// Needs a real server, a foreign peer, the machine's network, or minutes: not with `--quick`.
    Real,
    /// With `--long` only.
    Long,
    /// Where its group is named, or with `--long`.
    Asked,
}

#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) when: When,
    pub(crate) what: &'static str,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    /// All test executables of a package.
    Package(&'static str),
    /// One test executable of a package, by the name of its target.
    Target(&'static str, &'static str),
    /// The same, whose tests wait more than they work: so many of them at once, however few cores there are.
    Waits(&'static str, &'static str, u32),
    /// Those of its tests that are in these modules, or that are not: so many at once.
    Part(&'static str, &'static str, Modules, u32),
    /// One test executable, with so many seeds a scenario where `--seeds` says nothing else.
    Seeds(&'static str, &'static str, u64),
    /// The examples in the documentation of the whole workspace.
    Docs,
    /// Cargo, which must succeed: one check.
    Cargo(&'static [&'static str], &'static [(&'static str, &'static str)]),
    /// A function of our own: one check.
    Check(fn() -> Result<(), String>),
    /// The product broken on purpose: a check for each mutation.
    Mutations,
}

/// Which tests of an executable.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Modules {
    In(&'static [&'static str]),
    NotIn(&'static [&'static str]),
}

use Kind::{Cargo, Check, Docs, Mutations, Package, Part, Seeds, Target, Waits};
use When::{Always, Asked, Long, Real};

const fn step(when: When, what: &'static str, kind: Kind) -> Step {
    Step { when, what, kind }
}

const TESTS: &str = "mainstay-tests";

pub(crate) const GROUPS: &[Group] = &[
    Group {
        name: "house",
        about: "format, lints, documentation, licences, packaging, a user's project, and the rules of the house",
        pace: Pace::Builds,
        needs: &[Need::LowestRust, Need::Debian { program: "curl", package: "curl" }],
        steps: &[
            step(Always, "format", Cargo(&["fmt", "--all", "--check"], &[])),
            step(
                Always,
                "format of the benchmark's peers",
                Cargo(&["fmt", "--all", "--check", PEERS[0], PEERS[1]], &[]),
            ),
            step(
                Always,
                "clippy",
                Cargo(&["clippy", "--workspace", "--all-targets", "--all-features", "--", "-Dwarnings"], &[]),
            ),
            step(Always, "no features at all", Check(checks::features)),
            step(
                Always,
                "documentation",
                Cargo(&["doc", "--workspace", "--no-deps", "--all-features"], &[("RUSTDOCFLAGS", "-Dwarnings")]),
            ),
            step(Always, "licences and sources", Check(checks::licences)),
            step(Always, "no dependency needs a later Rust", Check(checks::rust_versions)),
            step(Long, "lowest Rust", Check(checks::lowest_rust)),
            step(Always, "packages for the registry", Check(checks::packed)),
            step(Long, "they compile without the rest", Check(checks::packed_compile)),
            step(
                Always,
                "the benchmark's lock file",
                Cargo(&["metadata", "--locked", "--format-version=1", "--quiet", PEERS[0], PEERS[1]], &[]),
            ),
            step(
                Real,
                "the fuzz targets compile",
                Cargo(&["check", "--locked", "--quiet", "--manifest-path", "tests/fuzz/Cargo.toml"], &[]),
            ),
            step(Always, "house rules", Target(TESTS, "house")),
            step(Always, "the suite itself", Target(TESTS, "suite")),
            step(Always, "the benchmark's arithmetic", Target(TESTS, "bench-rpc")),
            step(Always, "the sentinel benchmark's arithmetic", Target(TESTS, "bench-sentinel")),
            step(Long, "the benchmark runs", Cargo(&["bench-rpc", "--rounds", "1", "--seconds", "0.2"], &[])),
            step(Long, "the benchmark of layers runs", Cargo(&["bench-layers", "--rounds", "1"], &[])),
            step(Always, "documentation examples", Docs),
            step(Always, "a user's project", Target(TESTS, "project")),
            step(Always, "the demo is built", Cargo(&DEMO, &[])),
        ],
    },
    Group {
        name: "testbed",
        about: "the test bed's own tests: processes, fault proxy, network namespaces",
        pace: Pace::Waits,
        needs: &[
            Need::Debian { program: "ip", package: "iproute2" },
            Need::Debian { program: "nft", package: "nftables" },
            Need::Debian { program: "redis-server", package: "redis-server" },
            Need::Debian { program: "redis-sentinel", package: "redis-sentinel" },
            Need::Debian { program: "javac", package: "default-jdk-headless" },
            Need::Debian { program: "zooinspector", package: "zookeeper" },
            Need::Nacos,
        ],
        steps: &[step(Real, "test bed", Target(TESTS, "testbed"))],
    },
    Group {
        name: "registry",
        about: "ports, controller, adapters and the conformance suite",
        pace: Pace::Waits,
        needs: &[],
        steps: &[
            step(Always, "registry", Package(REGISTRY)),
            step(Always, "the program that looks into them", Package("mainstay-cli")),
        ],
    },
    Group {
        name: "simulation",
        about: "registrations, what consumers believe, and the path of a call, in simulated worlds with faults",
        pace: Pace::Alone,
        needs: &[],
        steps: &[
            step(Real, "the registry's decisions, 10 000 seeds a scenario", Seeds(REGISTRY, "simulation", 10_000)),
            step(Real, "calls over a simulated network, 50 seeds a scenario", Seeds("mainstay", "simulation", 50)),
        ],
    },
    Group {
        name: "spine",
        about: "the macros and a call from the trait to the socket and back",
        pace: Pace::Waits,
        needs: &[Need::GoInterop, Need::PythonGrpc, Need::Debian { program: "curl", package: "curl" }],
        steps: &[
            step(Always, "macros", Package("mainstay-codegen")),
            step(Always, "rpc", Package("mainstay")),
            step(Always, "curl", Target(TESTS, "curl")),
            step(Real, "grpc-go's interop client", Target(TESTS, "interop_go")),
            step(Real, "Python's grpcio by reflection", Target(TESTS, "interop_python")),
        ],
    },
    Group {
        name: "dubbo",
        about: "peers of Apache Dubbo, called and calling",
        pace: Pace::Waits,
        needs: &[
            Need::DubboJava,
            Need::DubboGo,
            Need::Nacos,
            Need::Debian { program: "javac", package: "default-jdk-headless" },
            Need::Debian { program: "zooinspector", package: "zookeeper" },
        ],
        steps: &[
            step(Real, "Dubbo Java without a registry", Waits(TESTS, "dubbo_java", 3)),
            step(Real, "Dubbo Java through ZooKeeper and Nacos", Waits(TESTS, "dubbo_registry", 3)),
            step(Real, "the token that consumers show", Target(TESTS, "dubbo_token")),
            step(Real, "the matrix of what was seen", Check(checks::dubbo_matrix)),
            step(Long, "dubbo-go", Target(TESTS, "dubbo_go")),
        ],
    },
    Group {
        name: "registries",
        about: "the registry on real servers of ZooKeeper and Nacos, through their deaths and cuts",
        pace: Pace::Waits,
        needs: &[
            Need::Debian { program: "java", package: "default-jre-headless" },
            Need::Debian { program: "zooinspector", package: "zookeeper" },
            Need::Debian { program: "javac", package: "default-jdk-headless" },
            Need::Nacos,
        ],
        steps: &[
            step(Real, "ZooKeeper", Waits(TESTS, "registry_zookeeper", 6)),
            step(Real, "Nacos", Waits(TESTS, "registry_nacos", 4)),
            step(Long, "a cluster of Nacos", Target(TESTS, "registry_nacos_cluster")),
            step(
                Long,
                "the benchmark of registries runs",
                Cargo(&["bench-registries", "--instances", "1000", "--changes", "100"], &[]),
            ),
            step(Real, "rules of operators, live", Target(TESTS, "rules")),
        ],
    },
    Group {
        name: "sentinel",
        about: "the sentinel: its decisions, its port, its loop, and failovers of real Redis servers",
        pace: Pace::Waits,
        needs: &[
            Need::Debian { program: "redis-server", package: "redis-server" },
            Need::Debian { program: "redis-sentinel", package: "redis-sentinel" },
            Need::Debian { program: "redis-cli", package: "redis-tools" },
            Need::PythonRedis,
            Need::GoRedis,
            Need::RustRedis,
            Need::JavaRedis,
            Need::Debian { program: "curl", package: "curl" },
            Need::Debian { program: "nsenter", package: "util-linux" },
            Need::Debian { program: "java", package: "default-jre-headless" },
            Need::Debian { program: "zooinspector", package: "zookeeper" },
            Need::Nacos,
        ],
        steps: &[
            step(Always, "its decisions", Package(DECISIONS)),
            step(Real, "the decisions simulated, 10 000 seeds a scenario", Seeds(DECISIONS, "simulation", 10_000)),
            step(Always, "sentinel", Package("mainstay-sentinel")),
            step(Always, "the program as a process", Target(TESTS, "sentinel_program")),
            step(Real, "failovers, also in one quorum with redis-sentinel", Target(TESTS, "sentinel_failover")),
            step(Real, "passwords and renamed commands", Target(TESTS, "sentinel_access")),
            step(Real, "encrypted links", Target(TESTS, "sentinel_tls")),
            step(Real, "a disk that is full or read-only", Target(TESTS, "sentinel_disk")),
            step(Real, "clients of other languages through failovers", Target(TESTS, "sentinel_clients")),
            step(Real, "primaries and replicas in the registry", Target(TESTS, "sentinel_registry")),
            step(Real, "switchovers under load", Target(TESTS, "sentinel_switchover")),
            step(Real, "fences", Target(TESTS, "sentinel_fencing")),
            step(Real, "what operators ask for", Target(TESTS, "sentinel_operator")),
            step(Real, "from redis-sentinel and back", Target(TESTS, "sentinel_migrate")),
            step(Real, "beside redis-sentinel: commands, bytes and files", Target(TESTS, "sentinel_side_by_side")),
            step(
                Long,
                "the sentinel benchmark runs",
                Cargo(&["bench-sentinel", "--quick", "--scenario", "kill-200"], &[]),
            ),
        ],
    },
    Group {
        name: "gateway",
        about: "the gateway: its parts, and the program with services, callers and attackers around it",
        pace: Pace::Waits,
        needs: &[
            Need::Debian { program: "curl", package: "curl" },
            Need::Debian { program: "redis-server", package: "redis-server" },
            Need::Debian { program: "redis-sentinel", package: "redis-sentinel" },
            Need::Debian { program: "java", package: "default-jre-headless" },
            Need::Debian { program: "zooinspector", package: "zookeeper" },
            Need::Debian { program: "javac", package: "default-jdk-headless" },
            Need::Nacos,
            Need::H2spec,
            Need::Debian { program: "nginx", package: "nginx-light" },
            Need::Debian { program: "haproxy", package: "haproxy" },
        ],
        steps: &[
            step(Always, "gateway", Package("mainstay-gateway")),
            step(Always, "the program", Target(TESTS, "gateway")),
            step(Real, "rules in Nacos and ZooKeeper", Target(TESTS, "gateway_rules")),
            step(Real, "limits shared through Redis", Target(TESTS, "gateway_shared")),
            step(Long, "h2spec", Target(TESTS, "gateway_h2spec")),
            step(Long, "five minutes of changes under load", Target(TESTS, "gateway_soak")),
            step(
                Long,
                "the gateway benchmark runs",
                Cargo(&["bench-gateway", "--rounds", "1", "--seconds", "0.5"], &[]),
            ),
        ],
    },
    Group {
        name: "chaos",
        about: "scenarios: things go wrong around what is at work, as processes, disks and networks really do",
        pace: Pace::Alone,
        needs: &[
            Need::Debian { program: "ip", package: "iproute2" },
            Need::Debian { program: "nft", package: "nftables" },
            Need::Debian { program: "redis-server", package: "redis-server" },
            Need::Debian { program: "nginx", package: "nginx-light" },
            Need::Debian { program: "keepalived", package: "keepalived" },
            Need::Debian { program: "java", package: "default-jre-headless" },
            Need::Debian { program: "zooinspector", package: "zookeeper" },
            Need::Debian { program: "javac", package: "default-jdk-headless" },
            Need::Nacos,
        ],
        steps: &[
            step(Real, "no records of earlier runs", Check(checks::no_records)),
            step(Real, "scenarios that measure", Part(TESTS, "chaos", Modules::NotIn(WAITING), 1)),
            step(Real, "scenarios that wait", Part(TESTS, "chaos", Modules::In(WAITING), 3)),
            step(Real, "their report", Check(checks::chaos_report)),
        ],
    },
    Group {
        name: "shop",
        about: "the examples, and the demo unattended",
        pace: Pace::Alone,
        needs: &[],
        steps: &[
            step(Always, "examples", Package("mainstay-examples")),
            step(Always, "the demo, unattended", Cargo(&["demo", "--check"], &[])),
        ],
    },
    Group {
        name: "mutations",
        about: "the product broken on purpose, which its tests must notice; only by name, or with --long",
        pace: Pace::Alone,
        needs: &[],
        steps: &[step(Asked, "mutations", Mutations)],
    },
];

/// Scenarios that wait for servers, sessions and elections more than they work. Two of the others at once would measure the
/// machine.
const WAITING: &[&str] = &["masters::", "migration::", "names::", "outage::", "registry::"];
const REGISTRY: &str = "mainstay-registry";
const DECISIONS: &str = "mainstay-sentinel-core";
const PEERS: [&str; 2] = ["--manifest-path", "tests/benches/peers/Cargo.toml"];
/// What `cargo demo` builds before it runs.
const DEMO: [&str; 7] = ["build", "--quiet", "--profile", "demo", "--package", "mainstay-examples", "--bin=shop"];
