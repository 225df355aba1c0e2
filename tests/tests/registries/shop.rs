//! The shop, whose processes find each other in a registry on a server, and its own check: pages are asked for while
//! processes are killed, drained and added.

use crate::{programs::run, server::Server};

fn survives(server: &Server) {
    let url = server.url();
    let (fine, found) = run("shop", &["demo", "--check", "--registry", &url]);
    println!("{server}: {found}");
    assert!(fine, "{found}");
    assert_eq!((found["calls"].as_u64(), found["failed"].as_u64()), (Some(2000), Some(0)), "{found}");
}

#[test]
fn the_shop_survives_its_check_over_zookeeper() {
    survives(&Server::zookeeper());
}

#[test]
fn the_shop_survives_its_check_over_nacos() {
    survives(&Server::shared_nacos());
}
