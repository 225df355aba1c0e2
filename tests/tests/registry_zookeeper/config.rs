//! The config centre: the suite of all centres, behind a wire that can be cut, and what only this one has to stand.

use std::{net::SocketAddr, sync::Arc};

use mainstay_registry::{
    config::{ConfigCenter, ConfigError, ConfigKey, ConfigSight, Expected},
    connect,
};
use testbed::{Proxy, zookeeper::Server};
use zookeeper_client::{Acls, CreateMode};

use crate::{
    bed::{SHORT, shared},
    centers::{Center, conform, key, next, until},
    raw,
    support::eventually,
};

/// A path of one's own in a server, and a wire to it.
struct Zookeeper {
    address: SocketAddr,
    proxy: Proxy,
    chroot: String,
}

impl Zookeeper {
    fn of(server: &Server) -> Self {
        let address = server.address();
        Self { address, proxy: Proxy::start(address).unwrap(), chroot: raw::chroot() }
    }

    fn center(&self, address: impl std::fmt::Display) -> Arc<dyn ConfigCenter> {
        connect(&format!("zookeeper://{address}{}?{SHORT}", self.chroot)).unwrap().config_center().unwrap()
    }

    fn path(&self, key: &ConfigKey) -> String {
        format!("{}/dubbo/config/{}/{}", self.chroot, key.group(), key.name())
    }
}

impl Center for Zookeeper {
    const CAN_BE_AWAY: bool = true;

    fn client(&self) -> Arc<dyn ConfigCenter> {
        self.center(self.proxy.addr())
    }

    async fn away(&self) {
        self.proxy.refuse();
        assert!(self.proxy.cut() > 0, "there were connections to cut");
        let before = self.proxy.counts().refused;
        eventually("they tried again", async || self.proxy.counts().refused > before).await;
    }

    async fn back(&self, changes: &[(ConfigKey, Option<&str>)]) {
        let direct = self.center(self.address);
        for (key, content) in changes {
            match content {
                Some(content) => drop(direct.publish(key, content, Expected::Any).await.unwrap()),
                None => direct.delete(key, Expected::Any).await.unwrap(),
            }
        }
        self.proxy.heal();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_centre_conforms() {
    let server = shared();
    conform(Zookeeper::of(&server)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_put_there_is_read_as_far_as_it_can_be() {
    let server = shared();
    let zookeeper = Zookeeper::of(&server);
    let (center, client) = (zookeeper.client(), raw::client(&server.address().to_string()).await);
    let options = CreateMode::Persistent.with_acls(Acls::anyone_all());
    let rule = key("shop.tag-router");
    let mut watch = center.watch(&rule);
    assert_eq!(next(&mut watch).await, ConfigSight::Absent);
    // As Dubbo's tools do it: parents first, then the data.
    client.mkdir(&zookeeper.path(&rule), &options).await.unwrap();
    assert_eq!(center.get(&rule).await.unwrap(), None, "a node without data is no content");
    client.set_data(&zookeeper.path(&rule), "force: true\n".as_bytes(), None).await.unwrap();
    until(&mut watch, Some("force: true\n")).await;
    // What is no text takes nothing back.
    client.set_data(&zookeeper.path(&rule), &[0xff, 0xfe], None).await.unwrap();
    eventually("it is said", async || watch.trouble().is_some_and(|why| why.contains("no text"))).await;
    assert!(matches!(center.get(&rule).await, Err(ConfigError::Unreadable { .. })));
    let version = center.publish(&rule, "force: false\n", Expected::Any).await.unwrap();
    until(&mut watch, Some("force: false\n")).await;
    assert!(watch.trouble().is_none());
    // An empty node that somebody made is nobody's content; one with children is not deleted.
    let folder = key("folder");
    client.mkdir(&format!("{}/below", zookeeper.path(&folder)), &options).await.unwrap();
    center.publish(&folder, "now it is one", Expected::Absent).await.unwrap();
    let error = center.delete(&folder, Expected::Any).await.unwrap_err().to_string();
    assert!(error.contains("NotEmpty (-111)"), "{error}");
    center.delete(&rule, Expected::Version(version)).await.unwrap();
    until(&mut watch, None).await;
}

/// Every watch outlives the session it was set in.
#[tokio::test(flavor = "multi_thread")]
async fn a_watch_outlives_its_session_and_a_start_without_the_server() {
    let mut server = Server::start("zookeeper");
    let zookeeper = Zookeeper::of(&server);
    let (center, rule) = (zookeeper.client(), key("outlives"));
    center.publish(&rule, "1", Expected::Any).await.unwrap();
    let mut watch = center.watch(&rule);
    until(&mut watch, Some("1")).await;
    server.process().kill().unwrap();
    eventually("it is noticed", async || watch.trouble().is_some()).await;
    let error = center.get(&rule).await.unwrap_err().to_string();
    assert!(error.contains("ConnectionLoss") || error.contains("Expired") || error.contains("connect"), "{error}");
    let mut late = zookeeper.client().watch(&rule);
    let sight = next(&mut late).await;
    assert!(matches!(&sight, ConfigSight::LastGood { config, .. } if config.content == "1"), "{sight:?}");
    server.again();
    zookeeper.center(server.address()).publish(&rule, "2", Expected::Any).await.unwrap();
    until(&mut watch, Some("2")).await;
    until(&mut late, Some("2")).await;
}
