//! The shop, whose processes find each other in a registry on a server, and its own check: pages are asked for while
//! processes are killed, drained and added.

use testbed::{Scenario, scenario::Check};

use crate::bed::{programs::run, server::Server};

fn survives(name: &str, server: &Server) {
    let about =
        format!("Pages are asked for while processes of the shop, which finds itself by {server}, come and go.");
    let mut scenario = Scenario::new(name, &about);
    let from = scenario.now();
    let url = server.url();
    let (fine, found) = run("shop", &["demo", "--check", "--registry", &url]);
    println!("{server}: {found}");
    assert!(fine, "{found}");
    scenario.fault("a member is killed, a promotion drained, one added", from..scenario.now(), 3, "processes");
    let number = |what: &str| found[what].as_u64().map_or(f64::NAN, |number| number as f64);
    scenario.check(Check { least: 2000.0, ..Check::at_most("pages", number("calls"), 2000.0, "") });
    scenario.check(Check::at_most("failed pages", number("failed"), 0.0, ""));
    scenario.end();
}

#[test]
fn the_shop_survives_its_check_over_zookeeper() {
    survives("the_shop_survives_its_check_over_zookeeper", &Server::zookeeper());
}

#[test]
fn the_shop_survives_its_check_over_nacos() {
    survives("the_shop_survives_its_check_over_nacos", &Server::shared_nacos());
}
