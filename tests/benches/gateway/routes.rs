//! How long it takes to find one of ten thousand routes, by the gateway's own table.

use mainstay_gateway::{Config, bench::Routes};
use std::{hint::black_box, time::Instant};

const COUNT: usize = 10_000;
const HOSTS: usize = 100;
/// A step that visits all in no order that a cache would like.
const STEP: usize = 7_919;

/// Nanoseconds for one request, the fastest of so many rounds.
pub(crate) fn match_ns(rounds: u32) -> Result<f64, String> {
    let config: Config = file().parse().map_err(|refused| format!("{refused}"))?;
    let routes = Routes::of(&config);
    let asked: Vec<(String, String)> = (0..COUNT).map(|at| asked(at * STEP % COUNT)).collect();
    for (turn, (host, path)) in asked.iter().enumerate() {
        let (wanted, found) = (turn * STEP % COUNT, routes.find(host, path));
        if found != Some(wanted) {
            return Err(format!("{host}{path} finds the route {found:?} in the place of {wanted}"));
        }
    }
    let round = |_| {
        let began = Instant::now();
        for (host, path) in &asked {
            black_box(routes.find(black_box(host), black_box(path)));
        }
        began.elapsed().as_nanos() as f64 / COUNT as f64
    };
    Ok((0..rounds.max(3)).map(round).fold(f64::INFINITY, f64::min))
}

/// Three kinds of paths, over a hundred hosts.
fn file() -> String {
    let mut text = "listeners: [{address: '127.0.0.1:0'}]\nroutes:\n".to_owned();
    for at in 0..COUNT {
        let path = match at % 3 {
            0 => format!("/v1/things{at}/list"),
            1 => format!("/v1/things{at}/{{kind}}/items/*"),
            _ => format!("/pages{at}/**"),
        };
        let host = at % HOSTS;
        text += &format!("  - {{name: r{at}, match: {{hosts: [h{host}.example], path: '{path}'}}, respond: {{}}}}\n");
    }
    text
}

fn asked(at: usize) -> (String, String) {
    let path = match at % 3 {
        0 => format!("/v1/things{at}/list"),
        1 => format!("/v1/things{at}/red/items/17"),
        _ => format!("/pages{at}/a/b/c.html"),
    };
    (format!("h{}.example", at % HOSTS), path)
}
