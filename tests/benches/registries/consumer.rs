//! The consumer: follows all services, and measures itself.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use hdrhistogram::Histogram;
use mainstay_registry::{Change, Changes, Discover, Hub, Lookup, connect};
use serde_json::{Value, json};
use testbed::process::cpu_seconds;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    crowd::micros,
    services::{COUNT, STILL, key},
};

/// How long nothing happens before something does, so that what that costs is known.
const IDLE: Duration = Duration::from_secs(5);
/// How long the last changes may take to arrive.
const LATE: Duration = Duration::from_secs(10);

/// What is heard: when each weight was, and how many instances each service has.
#[derive(Debug, Default)]
struct Heard {
    at: BTreeMap<u32, u64>,
    known: Vec<usize>,
}

/// `URL EACH CONTROL CHANGES`: says `measured JSON`.
pub(crate) fn run(words: impl Iterator<Item = String>) -> Result<(), String> {
    let words: Vec<String> = words.collect();
    let [url, each, control, changes] = &words[..] else {
        return Err("consumer URL EACH CONTROL CHANGES".to_owned());
    };
    let (Ok(each), Ok(changes)) = (each.parse(), changes.parse()) else { return Err("numbers".to_owned()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    let measured = runtime.block_on(measure(url, each, control, changes)).map_err(|e| e.to_string())?;
    println!("measured {measured}");
    Ok(())
}

async fn measure(url: &str, each: usize, control: &str, changes: u32) -> Result<Value, Box<dyn std::error::Error>> {
    let hub = connect(url)?;
    let heard = Arc::new(Mutex::new(Heard { known: vec![0; COUNT], ..Heard::default() }));
    let (news, mut told) = watch::channel(());
    let (began, cpu) = (Instant::now(), cpu());
    let mut tasks = JoinSet::new();
    for (service, changes) in follow(&hub).into_iter().enumerate() {
        tasks.spawn(listen(service, changes, heard.clone(), news.clone()));
    }
    told.wait_for(|()| heard.lock().is_ok_and(|heard| heard.known.iter().all(|known| *known == each))).await?;
    let (first, first_cpu) = (began.elapsed(), self::cpu() - cpu);

    let cpu = self::cpu();
    sleep(IDLE).await;
    let idle = (self::cpu() - cpu) / IDLE.as_secs_f64();

    let (began, cpu) = (Instant::now(), self::cpu());
    let made = order(control, changes).await?;
    let all = told.wait_for(|()| {
        heard.lock().is_ok_and(|heard| made.keys().rev().take(COUNT).all(|last| heard.at.contains_key(last)))
    });
    timeout(LATE, all).await??;
    let busy = self::cpu() - cpu - idle * began.elapsed().as_secs_f64();
    let heard = heard.lock().map_err(|e| e.to_string())?;
    let mut late = Histogram::<u64>::new(3)?;
    for late_by in made.iter().filter_map(|(weight, at)| heard.at.get(weight)?.checked_sub(*at)) {
        late.record(late_by)?;
    }
    Ok(json!({
        "instances": each * COUNT,
        "first_list_ms": first.as_millis() as u64,
        "first_list_cpu_ms": (first_cpu * 1e3).round(),
        "changes": made.len(),
        "heard": late.len(),
        "push_p50_ms": late.value_at_quantile(0.5) as f64 / 1e3,
        "push_p99_ms": late.value_at_quantile(0.99) as f64 / 1e3,
        "cpu_per_change_us": (busy * 1e6 / made.len() as f64).round(),
        "idle_cpu_percent": (idle * 1e4).round() / 1e2,
    }))
}

fn follow(hub: &Hub) -> Vec<Changes> {
    (0..COUNT).map(|service| hub.subscribe(Lookup::new(key(service)))).collect()
}

/// Has them made; answers the weights, and when each was set.
async fn order(control: &str, changes: u32) -> Result<BTreeMap<u32, u64>, Box<dyn std::error::Error>> {
    let (read, mut write) = TcpStream::connect(control).await?.into_split();
    write.write_all(format!("{changes}\n").as_bytes()).await?;
    let (mut lines, mut made) = (BufReader::new(read).lines(), BTreeMap::new());
    while made.len() < changes as usize {
        let line = lines.next_line().await?.ok_or("the crowd has gone")?;
        let (weight, at) = line.split_once(' ').ok_or("a line without a time")?;
        made.insert(weight.parse()?, at.parse()?);
    }
    Ok(made)
}

async fn listen(service: usize, mut changes: Changes, heard: Arc<Mutex<Heard>>, news: watch::Sender<()>) {
    let mut known = std::collections::BTreeSet::new();
    while let Some(change) = changes.next().await {
        let now = micros();
        let Ok(mut heard) = heard.lock() else { return };
        match change {
            Change::Snapshot(all) => known = all.iter().map(|one| one.id.clone()).collect(),
            Change::Up(one) => {
                if one.weight != STILL {
                    heard.at.entry(one.weight).or_insert(now);
                }
                known.insert(one.id.clone());
            }
            Change::Down(id, _) => drop(known.remove(&id)),
            _ => {}
        }
        heard.known[service] = known.len();
        drop(heard);
        news.send_replace(());
    }
}

fn cpu() -> f64 {
    cpu_seconds(std::process::id()).unwrap_or(f64::NAN)
}
