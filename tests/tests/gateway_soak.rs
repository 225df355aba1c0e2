//! Five minutes of traffic of every kind while the file changes all the time: nobody fails, and the memory stays flat.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};
use testbed::{Process, Scratch, tree};

const SOON: Duration = Duration::from_secs(30);
/// How long it goes on, and after how much of it the memory is looked at first.
const LONG: Duration = Duration::from_secs(300);
const SETTLED: Duration = Duration::from_secs(60);
/// What the memory may grow from then on: an allocator keeps some.
const GROWTH: u64 = 16 * 1024 * 1024;

fn start(name: &str, arguments: &[String]) -> (Process, String) {
    let mut command = Command::new(tree::built(name));
    command.args(arguments);
    let mut process = Process::spawn(name, command).unwrap();
    let address = process.line(SOON, "listening ");
    (process, address)
}

/// The file with so many routes more, whose endpoints and canary change too.
fn file(stocks: &[String], n: usize) -> String {
    let turned: Vec<_> = stocks.iter().cycle().skip(n % 3).take(1 + n % 3).map(|at| format!("'{at}'")).collect();
    let mut text = format!(
        "listeners: [{{address: '127.0.0.1:0'}}]
upstreams:
  stock: {{endpoints: ['{}'], health_check: {{kind: grpc, interval: 200ms}}}}
  turning: {{endpoints: [{}], connect_timeout: {}ms}}
routes:
  - {{name: http, match: {{path: /v1/**}}, http: {{upstream: turning}}, gzip: true, sticky: {{cookie: visitor}},
     canaries: [{{name: next, weight: {}, upstream: stock}}]}}
  - {{name: json, match: {{path: /shop.stock.v1.StockApi/*}}, json: {{upstream: stock, services: [shop.stock.v1.StockApi], auto_mapping: true}}}}
",
        stocks[0],
        turned.join(", "),
        2000 + n % 100,
        1 + n % 50
    );
    (0..n % 200)
        .for_each(|n| text.push_str(&format!("  - {{name: r{n}, match: {{path: /more/{n}}}, respond: {{}}}}\n")));
    text
}

/// One request on a kept connection; whether it was answered as it should be.
fn ask(from: &mut BufReader<TcpStream>, head: &str, body: &str, wanted: &str) -> Result<(), String> {
    let length = body.len();
    write!(
        from.get_mut(),
        "{head} HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .map_err(|error| error.to_string())?;
    let (mut said, mut length) = (String::new(), 0);
    loop {
        let begin = said.len();
        from.read_line(&mut said).map_err(|error| error.to_string())?;
        let line = said[begin..].trim();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().map_err(|_| said.clone())?;
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).map_err(|error| error.to_string())?;
    let body = String::from_utf8_lossy(&body);
    if said.starts_with("HTTP/1.1 200 ") && body.contains(wanted) { Ok(()) } else { Err(format!("{said}{body}")) }
}

fn memory(process: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn five_minutes_of_changes_fail_nobody_and_leave_the_memory_flat() {
    let place = Scratch::new("soak").unwrap();
    let stocks: Vec<_> =
        (0..3).map(|_| start("stock-server", &["--listen".to_owned(), "127.0.0.1:0".to_owned()])).collect();
    let addresses: Vec<_> = stocks.iter().map(|(_, address)| address.clone()).collect();
    let path = place.write("gateway.yaml", file(&addresses, 0)).unwrap();
    let (gateway, address) = start("mainstay-gateway", &[path.display().to_string()]);
    let (ended, answered, failed) =
        (Arc::new(AtomicBool::new(false)), Arc::<AtomicUsize>::default(), Arc::<Mutex<Vec<String>>>::default());
    let workers: Vec<_> = (0..4)
        .map(|worker| {
            let (ended, answered, failed, address) = (ended.clone(), answered.clone(), failed.clone(), address.clone());
            thread::spawn(move || {
                while !ended.load(Relaxed) {
                    let stream = TcpStream::connect(&address).unwrap();
                    stream.set_read_timeout(Some(SOON)).unwrap();
                    let mut from = BufReader::new(stream);
                    // Connections come and go, too.
                    for _ in 0..500 {
                        let done = match worker % 2 {
                            0 => ask(&mut from, "GET /v1/stock/a-7", "", "\"left\":7"),
                            _ => {
                                ask(&mut from, "POST /shop.stock.v1.StockApi/Level", "{\"sku\":\"a-8\"}", "\"left\":8")
                            }
                        };
                        answered.fetch_add(1, Relaxed);
                        if let Err(why) = done {
                            failed.lock().unwrap().push(why);
                            break;
                        }
                    }
                }
            })
        })
        .collect();
    let (began, mut n, mut settled) = (Instant::now(), 0, None);
    while began.elapsed() < LONG {
        n += 1;
        let new = place.write("new.yaml", file(&addresses, n)).unwrap();
        fs::rename(new, &path).unwrap();
        let line = format!("the file is in force version={}", n + 1);
        testbed::eventually(SOON, &line, || gateway.stderr().lines().rev().take(50).any(|said| said.contains(&line)));
        if settled.is_none() && began.elapsed() > SETTLED {
            settled = Some(memory(&gateway));
        }
    }
    ended.store(true, Relaxed);
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    let (settled, now) = (settled.unwrap(), memory(&gateway));
    let failed = failed.lock().unwrap();
    println!(
        "{n} changes, {} requests, {} failed, {settled} bytes of memory, then {now}",
        answered.load(Relaxed),
        failed.len()
    );
    assert!(failed.is_empty(), "{} failed: {:?}", failed.len(), &failed[..failed.len().min(3)]);
    assert!(now < settled + GROWTH, "{settled} bytes became {now}");
    assert!(n > 100 && answered.load(Relaxed) > 10_000, "{n} changes, {} requests", answered.load(Relaxed));
}
