//! Dubbo's token, between Dubbo Java 3.3.6 and ours: who reads the registry shows it, and who does not is refused.

use testbed::dubbo::{Consumer, Lang, Provider, Serving};
use testbed::zookeeper::Server;

/// A provider that wants a token; `refusal` is what it says to who shows none.
fn shown(asks: Lang, answers: Lang, refusal: &str) {
    let server = Server::start("dubbo-token");
    let registry = format!("zookeeper://{}", server.address());
    let serving = Serving { registry: Some(registry.clone()), token: Some("sesame"), ..Serving::default() };
    let provider = Provider::start(answers, "n1", &serving);
    let mut reads = Consumer::start(asks, &registry, &serving, &["level", "watch"]);
    assert_eq!(reads.came("level"), "a-1 7 from n1", "{}", reads.errors());
    assert!(reads.came("watch").ends_with("a-1 5 from n1]"), "{}", reads.errors());
    let mut past_it = Consumer::start(asks, &provider.url(), &Serving::default(), &["level"]);
    let came = past_it.came("level");
    assert!(came.contains(refusal) && !came.contains("sesame"), "{came}");
}

#[test]
fn java_shows_the_token_of_ours() {
    shown(Lang::Java, Lang::Rust, "show the service's token");
}

#[test]
fn ours_shows_the_token_of_java() {
    // It refuses its metadata too: ours reads the interface level instead, where the token stands.
    shown(Lang::Rust, Lang::Java, "consumer incorrect token is null");
}
