//! Providers as URLs: by table, by property, and as the peers wrote them.

use proptest::prelude::*;

use super::*;

const JAVA: &str = include_str!("../../tests/dubbo/zk-java-all.txt");
const JAVA_GROUP: &str = include_str!("../../tests/dubbo/zk-java-all-remote-group-version.txt");
const GO: &str = include_str!("../../tests/dubbo/zk-go-all.txt");
const STOCK: &str = "acme.shop.v1.StockApi";

/// The name of the node below `interface`'s providers.
fn node<'a>(dump: &'a str, interface: &str) -> &'a str {
    let folder = format!("/dubbo/{interface}/providers/");
    dump.lines().find_map(|line| line.strip_prefix(&folder)).unwrap()
}

fn parse(text: &str) -> ProviderUrl {
    ProviderUrl::parse(text).unwrap()
}

fn offered(text: &str) -> Result<(ServiceKey, Instance), Skipped> {
    ProviderUrl::parse(text)?.offered("a.B")
}

#[test]
fn what_peers_wrote_is_read_and_written_back_byte_by_byte() {
    let mut seen = 0;
    for dump in [JAVA, JAVA_GROUP, GO] {
        for name in dump.lines().filter_map(|line| line.split_once("/providers/")).map(|(_, name)| name) {
            assert_eq!(ProviderUrl::from_node(name).unwrap().to_node(), name);
            seen += 1;
        }
    }
    assert_eq!(seen, 6);
}

#[test]
fn what_peers_wrote_means_what_they_mean() {
    let (key, java) = ProviderUrl::from_node(node(JAVA, STOCK)).unwrap().offered(STOCK).unwrap();
    assert_eq!(key, ServiceKey::new(STOCK));
    assert_eq!((java.id.as_str(), java.weight), ("192.0.2.2:20801#1795237760734", 100));
    assert_eq!((java.application.as_str(), java.started_at), ("acme-java-provider", 1_795_237_760_734));
    assert_eq!(java.labels["release"], "3.3.6");

    let (key, java) = ProviderUrl::from_node(node(JAVA_GROUP, STOCK)).unwrap().offered(STOCK).unwrap();
    assert_eq!(key.to_string(), "g1/acme.shop.v1.StockApi:1.2.0");
    assert_eq!((java.weight, java.labels["dubbo.tag"].as_str()), (50, "gray"));

    let (_, go) = ProviderUrl::from_node(node(GO, STOCK)).unwrap().offered(STOCK).unwrap();
    assert_eq!(go.weight, 100, "the 0 of dubbo-go means nothing");
    assert_eq!(go.started_at % 1000, 0, "its time is in seconds");
    assert!(go.started_at > 1_700_000_000_000);
}

/// Our URL of the service that the Java peer announced, but for what is listed here.
#[test]
fn ours_is_what_the_java_peer_writes() {
    let theirs = ProviderUrl::from_node(node(JAVA_GROUP, STOCK)).unwrap();
    let (key, mut instance) = theirs.offered(STOCK).unwrap();
    instance.labels.retain(|name, _| name == "dubbo.tag");
    let methods = ["level", "watch", "load", "chat", "levelAsync"];
    let registration = Registration::new(instance, [key.clone()]).with_methods(key.clone(), methods);
    let ours = ProviderUrl::of(&registration, &key);
    let mut expected = theirs;
    // What Java alone has: how objects without an IDL are encoded, its stub, where its metadata is, the version of its jar.
    for name in ["prefer.serialization", "proxy", "metadata-type", "revision"] {
        assert!(expected.parameters.remove(name).is_some(), "{name}");
    }
    expected.parameters.insert("release".to_owned(), RELEASE.to_owned());
    expected.parameters.insert("mainstay.id".to_owned(), "192.0.2.2:20801#1795237794497".to_owned());
    assert_eq!(ours.to_node(), expected.to_node());
}

#[test]
fn who_is_taken_and_who_is_not() {
    for (url, expected) in [
        ("tri://h:1/a.B?", Ok("a.B")),
        ("tri://h:1?service=a.B", Ok("a.B")),
        ("tri://h:1/a.B?group=g&version=2&side=provider&category=providers", Ok("g/a.B:2")),
        ("tri://h:1/a.B?group=&version=", Ok("a.B")),
        ("tri://h:1/a.B?version=0.0.0", Ok("a.B:0.0.0")),
        ("tri://h:1/a.B?version=0.0.0&release=dubbo-golang-3.3.2", Ok("a.B")),
        ("tri://u:p@h:1/a.B?interface=other.C", Ok("a.B")),
        ("tri://[::1]:1/a.B?enabled=true&disabled=false", Ok("a.B")),
        ("tri://h:1/a.B?timestamp=yesterday", Ok("a.B")),
        ("dubbo://h:1/a.B?", Err("protocol")),
        ("consumer://h/a.B?category=consumers", Err("not-a-provider")),
        ("empty://0.0.0.0/a.B?category=providers", Err("not-a-provider")),
        ("tri://h:1/a.B?side=consumer", Err("not-a-provider")),
        ("tri://h:1/a.B?category=routers", Err("not-a-provider")),
        ("tri://h:1/a.B?enabled=false", Err("disabled")),
        ("tri://h:1/a.B?disabled=true", Err("disabled")),
        ("tri://h/a.B?", Err("no-port")),
        ("tri://h:0/a.B?", Err("no-port")),
        ("tri://h:x/a.B?", Err("no-port")),
        ("tri://h:70000/a.B?", Err("no-port")),
        ("tri://:1/a.B?", Err("not-a-url")),
        ("tri://a b:1/a.B?", Err("not-a-url")),
        ("tri://[::1/a.B?", Err("not-a-url")),
        ("tri://h:1/a.B", Err("not-a-url")),
        ("h:1/a.B?x=y", Err("not-a-url")),
        ("", Err("not-a-url")),
        ("tri://h:1/a.B?weight=heavy", Err("parameter")),
        ("tri://h:1/a.B?weight=99999999999", Err("parameter")),
        ("tri://h:1/a.B?mainstay.epoch=-1", Err("parameter")),
    ] {
        let result = offered(url);
        let seen = result.as_ref().map(|(key, _)| key.to_string()).map_err(Skipped::as_str);
        assert_eq!(seen, expected.map(str::to_owned), "{url}: {result:?}");
    }
    let long = format!("tri://h:1/a.B?x={}", "y".repeat(MAX_URL));
    assert_eq!(offered(&long), Err(Skipped::TooLong));
    assert_eq!(ProviderUrl::from_node("%FF"), Err(Skipped::Garbled(escape::Garbled::NotUtf8)));
    let nobody = parse("tri://h:1/?").offered("");
    assert_eq!(nobody, Err(Skipped::Interface));
}

#[test]
fn weights_of_peers() {
    for (parameters, weight) in [
        ("x=1", 100),
        ("weight=", 100),
        ("weight=7", 7),
        ("weight=0", 0),
        ("weight=-3", 0),
        ("weight=0&release=3.3.6", 0),
        ("weight=0&release=dubbo-golang-3.3.2", 100),
        ("weight=7&release=dubbo-golang-3.3.2", 7),
    ] {
        assert_eq!(offered(&format!("tri://h:1/a.B?{parameters}")).unwrap().1.weight, weight, "{parameters}");
    }
}

#[test]
fn times_are_in_seconds_or_milliseconds() {
    for (time, started_at) in [(0, 0), (1_795_238_209u64, 1_795_238_209_000), (1_795_237_760_141, 1_795_237_760_141)] {
        assert_eq!(offered(&format!("tri://h:1/a.B?timestamp={time}")).unwrap().1.started_at, started_at);
    }
}

#[test]
fn a_path_that_is_not_the_interface_is_kept() {
    for (url, path) in [
        ("tri://h:1/a.B?", None),
        ("tri://h:1?service=a.B", None),
        ("tri://h:1/proto.B?interface=a.B", Some("proto.B")),
    ] {
        assert_eq!(offered(url).unwrap().1.labels.get(PATH).map(String::as_str), path, "{url}");
    }
}

#[test]
fn names_that_java_would_cut_are_encoded() {
    let url = parse("tri://h:1/a.B?build-timestamp=5&pid=1&rapid=2&timestamp=3");
    let text = url.to_string();
    assert_eq!(text, "tri://h:1/a.B?build-timestam%70=5&pid=1&rapi%64=2&timestamp=3");
    assert_eq!(parse(&text), url);
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(OWN).prop_map(str::to_owned),
        "[a-z]{1,8}",
        ".{1,10}",
        Just(PATH.to_owned()),
        Just(format!("{LABEL}x")),
    ]
}

prop_compose! {
    fn instance()(
        id in ".{1,20}", application in ".{1,10}", port in 1u16.., weight: u32, started in 0u64..2_000_000_000_000,
        zone in prop::option::of(".{1,8}"), role in prop::option::of("[a-z]{1,8}"), epoch: Option<u64>,
        labels in prop::collection::btree_map(word(), ".{0,10}", 0..6), host in "[a-z0-9.-]{1,20}|[0-9a-f]{1,4}::1",
    ) -> Instance {
        let mut instance = Instance::told(InstanceId::new(id), &application, &host, port);
        instance.weight = weight;
        instance.started_at = if started < MILLISECONDS_FROM { 0 } else { started };
        (instance.zone, instance.role, instance.epoch, instance.labels) = (zone, role, epoch, labels);
        instance
    }
}

proptest! {
    #[test]
    fn what_we_announce_is_what_we_read(instance in instance(), group in "[a-z]{0,4}", version in "[0-9.]{0,4}") {
        let key = ServiceKey::new("a.B").with_group(group).with_version(version);
        let url = ProviderUrl::of(&Registration::new(instance.clone(), [key.clone()]), &key);
        let read = ProviderUrl::from_node(&url.to_node()).unwrap();
        prop_assert_eq!(&read, &url);
        prop_assert_eq!(read.offered("a.B").unwrap(), (key, instance));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = ProviderUrl::from_node(&text).map(|url| url.offered("a.B"));
        let _ = offered(&text);
    }

    #[test]
    fn no_text_that_is_nearly_a_url_panics(text in "(tri|dubbo|%3A)?(://)?[a-z@:/\\[\\]?&=%0-9]{0,40}") {
        if let Ok(url) = ProviderUrl::parse(&text) {
            let _ = url.offered(url.interface());
            prop_assert_eq!(ProviderUrl::parse(&url.to_string()), Ok(url));
        }
    }
}
