//! A server that wants to know who asks: both who registers and who reads texts, in the server's words.

use std::{path::Path, sync::Arc, time::Duration};

use mainstay_registry::{
    Discover, LeaseState, Registry,
    config::{ConfigError, ConfigSight, Expected},
    connect,
};
use testbed::{Nacos, Scratch, Shared, nacos::USER};
use tokio::time::Instant;

use crate::{
    bed::{KEY, center, hub, lookup, namespace},
    centers::{key, next},
    support::{DEADLINE, eventually, follow_until, stock},
};

const PASSWORD: &str = "open sesame";

fn guarded() -> Arc<Nacos> {
    static SHARED: Shared<Nacos> = Shared::new();
    SHARED.get(|| Nacos::guarded("nacos", PASSWORD))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_known_and_a_wrong_password_is_told_in_the_servers_words() {
    let nacos = guarded();
    let (namespace, dir) = (namespace(), Scratch::new("secrets").unwrap());
    let user = dir.write("user", USER).unwrap();
    let url = |password: &Path| {
        let (user, password) = (user.display(), password.display());
        format!("nacos://{}/{namespace}?user=file:{user}&password=file:{password}", nacos.address())
    };
    let good = connect(&url(&dir.write("good", format!("{PASSWORD}\n")).unwrap())).unwrap();
    let mut lease = good.register(stock("one", &[KEY]));
    lease.registered(DEADLINE).await.unwrap();
    let mut known = vec![];
    follow_until(&mut good.subscribe(lookup()), &mut known, "it is up", |known| known.len() == 1).await;

    let nobody = hub(nacos.address(), &namespace);
    let bad = connect(&url(&dir.write("bad", "simsala").unwrap())).unwrap();
    for (hub, words) in [(bad, "HTTP 403: user not found!"), (nobody, "403: user not found!")] {
        let since = Instant::now();
        let mut refused = hub.register(stock("two", &[KEY]));
        let _changes = hub.subscribe(lookup());
        let says = |text: Option<String>| text.is_some_and(|why| why.contains(words));
        eventually("why is said to the provider", async || says(refused.trouble())).await;
        eventually("and to the consumer", async || says(hub.survey("a.B").unwell)).await;
        assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
        assert_eq!(refused.state(), LeaseState::Pending);
        let shown = format!("{hub:?} {:?} {}", refused.trouble(), Registry::describe(&hub));
        assert!(!shown.contains("simsala"), "{shown}");
        assert!(refused.registered(Duration::from_secs(1)).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_centre_knows_its_users_and_tells_strangers_why_not() {
    let nacos = guarded();
    let (namespace, dir, rule) = (namespace(), Scratch::new("secrets").unwrap(), key("guarded"));
    let user = dir.write("user", USER).unwrap();
    let with = |name: &str, password: &str| {
        let (user, password) = (user.display(), dir.write(name, password).unwrap());
        center(nacos.address(), format!("{namespace}?user=file:{user}&password=file:{}", password.display()))
    };
    let good = with("good", &format!("{PASSWORD}\n"));
    good.publish(&rule, "1", Expected::Absent).await.unwrap();
    assert_eq!(good.get(&rule).await.unwrap().unwrap().content, "1");
    let nobody = center(nacos.address(), &namespace);
    for (center, words) in [(with("bad", "simsala"), "HTTP 403: user not found!"), (nobody, "403: user not found!")] {
        let since = Instant::now();
        let read = center.get(&rule).await.map(drop);
        let written = center.publish(&rule, "2", Expected::Any).await.map(drop);
        let watched = next(&mut center.watch(&rule)).await;
        assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
        for error in [read.unwrap_err(), written.unwrap_err()] {
            assert!(matches!(error, ConfigError::Unavailable { .. }), "{error}");
            assert!(error.to_string().contains(words) && !error.to_string().contains("simsala"), "{error}");
        }
        assert!(matches!(&watched, ConfigSight::Unknown { why } if why.contains(words)), "{watched:?}");
    }
    assert_eq!(good.get(&rule).await.unwrap().unwrap().content, "1");
}
