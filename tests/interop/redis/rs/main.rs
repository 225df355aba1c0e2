//! redis-rs' sentinel client, writing through failovers; what each of these programs does is in `tests/sentinel_clients.rs`.
//!
//! It hands out connections, and whoever had one that broke asks for the next: so its documentation wants it.

use std::error::Error;
use std::time::{Duration, Instant};

use redis::sentinel::{SentinelClient, SentinelServerType};
use redis::{Connection, RedisResult, TypedCommands};

const TURN: Duration = Duration::from_millis(5);
const TIMEOUT: Duration = Duration::from_secs(1);

fn connect(client: &mut SentinelClient) -> RedisResult<Connection> {
    let connection = client.get_connection()?;
    connection.set_read_timeout(Some(TIMEOUT))?;
    connection.set_write_timeout(Some(TIMEOUT))?;
    Ok(connection)
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, name, sentinels] = &args[..] else { return Err("NAME HOST:PORT,… are wanted".into()) };
    let nodes = sentinels.split(',').map(|s| format!("redis://{s}/")).collect();
    let mut client = SentinelClient::build(nodes, name.clone(), None, SentinelServerType::Master)?;
    let mut connection = connect(&mut client);
    let (mut acknowledged, mut errors, mut gap, mut last) = (0_u64, 0_u64, Duration::ZERO, Instant::now());
    loop {
        let turn = connection.as_mut().map_err(|e| e.to_string()).and_then(|c| {
            c.set("count", acknowledged + 1).map_err(|e| e.to_string())?;
            acknowledged += 1;
            if acknowledged == 1 {
                println!("READY");
            } else {
                gap = gap.max(last.elapsed());
            }
            last = Instant::now();
            c.exists("stop").map_err(|e| e.to_string())
        });
        match turn {
            Ok(true) => break,
            Ok(false) => {}
            Err(_) => {
                errors += 1;
                connection = connect(&mut client);
            }
        }
        std::thread::sleep(TURN);
    }
    let gap = gap.as_millis();
    println!(r#"{{"client":"redis-rs","acknowledged":{acknowledged},"errors":{errors},"longest_gap_ms":{gap}}}"#);
    Ok(())
}
