//! The crowd: all instances, of which one of each service is a real registration, and changes when it is told to.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mainstay_registry::{Hub, Lease, Registry, connect};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    time::interval,
};
use zookeeper_client::Client;

use crate::{
    raw,
    services::{COUNT, registration},
};

/// How long one of them may take to be registered.
const PATIENCE: Duration = Duration::from_secs(60);
/// The time between two changes.
const PACE: Duration = Duration::from_millis(20);

/// `URL EACH`: registers, says `ready ADDRESS`, and serves who connects there: a line with a number is answered with so many
/// lines, `WEIGHT MICROSECONDS` for each change and when it was made.
pub(crate) fn run(mut words: impl Iterator<Item = String>) -> Result<(), String> {
    let (Some(url), Some(each)) = (words.next(), words.next().and_then(|each| each.parse().ok())) else {
        return Err("crowd URL EACH".to_owned());
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(gather(&url, each)).map_err(|e| e.to_string())
}

async fn gather(url: &str, each: usize) -> Result<(), Box<dyn std::error::Error>> {
    let others = (0..COUNT).flat_map(|service| (1..each).map(move |number| registration(service, number)));
    let (mut leases, mut client, hub) = (Vec::new(), None, connect(url)?);
    let mut lively = lively(&hub).await?;
    let deaf = TcpListener::bind("127.0.0.1:0").await?;
    if let Some(servers) = url.strip_prefix("zookeeper://") {
        let client =
            client.insert(Client::connector().with_session_timeout(Duration::from_secs(10)).connect(servers).await?);
        raw::write(client, others).await?;
    } else {
        // Over a connection of their own: a change of one is then one instance, as it would be.
        let crowd = connect(&unseeing(url, deaf.local_addr()?.port())?)?;
        leases.extend(others.map(|one| crowd.register(one)));
    }
    for lease in &mut leases {
        lease.registered(PATIENCE).await?;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("ready {}", listener.local_addr()?);
    loop {
        serve(listener.accept().await?.0, &mut lively).await?;
    }
}

/// A Nacos whose HTTP API nobody answers at: who registers there cannot look whether all is well. Ten thousand that do, every few
/// seconds, would be what is measured.
fn unseeing(url: &str, deaf: u16) -> Result<String, Box<dyn std::error::Error>> {
    let (host, port) = url.rsplit_once(':').ok_or("no port")?;
    let grpc = port.parse::<u16>()?.checked_add(1000).ok_or("no port for connections")?;
    Ok(format!("{host}:{deaf}?grpc-port={grpc}"))
}

/// One of each service.
async fn lively(hub: &Hub) -> Result<Vec<Lease>, Box<dyn std::error::Error>> {
    let mut leases: Vec<Lease> = (0..COUNT).map(|service| hub.register(registration(service, 0))).collect();
    for lease in &mut leases {
        lease.registered(PATIENCE).await?;
    }
    Ok(leases)
}

async fn serve(stream: TcpStream, lively: &mut [Lease]) -> Result<(), Box<dyn std::error::Error>> {
    let (read, mut write) = stream.into_split();
    let mut orders = BufReader::new(read).lines();
    while let Some(order) = orders.next_line().await? {
        let changes: u32 = order.trim().parse()?;
        let (mut pace, mut weight) = (interval(PACE), crate::services::STILL);
        for at in 0..changes as usize {
            pace.tick().await;
            weight += 1;
            lively[at % COUNT].set_weight(weight);
            write.write_all(format!("{weight} {}\n", micros()).as_bytes()).await?;
        }
    }
    Ok(())
}

/// Microseconds since the Unix epoch: the processes of one machine have one clock.
pub(crate) fn micros() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}
