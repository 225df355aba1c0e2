//! Streams: one type, `Streaming<T>`, in either direction. Who does not read, slows the writer down.

use mainstay::prelude::*;

/// Sums and counts.
#[mainstay::service(package = "sums.v1")]
trait Sums {
    /// A stream as the answer.
    async fn count(&self, to: u32) -> Result<Streaming<u32>>;
    /// A stream as the argument.
    async fn sum(&self, numbers: Streaming<u32>) -> Result<u64>;
    /// Both at once.
    async fn running(&self, numbers: Streaming<u32>) -> Result<Streaming<u64>>;
}

struct Adder;

impl Sums for Adder {
    async fn count(&self, to: u32) -> Result<Streaming<u32>> {
        Ok(Streaming::of(1..=to))
    }

    async fn sum(&self, mut numbers: Streaming<u32>) -> Result<u64> {
        let mut sum = 0;
        while let Some(number) = numbers.message().await? {
            sum += u64::from(number);
        }
        Ok(sum)
    }

    async fn running(&self, mut numbers: Streaming<u32>) -> Result<Streaming<u64>> {
        // A channel where the answer is made bit by bit. It ends when the sender is dropped, or fails with a status.
        let (answer, stream) = Streaming::channel(16);
        tokio::spawn(async move {
            let mut sum = 0;
            while let Some(number) = numbers.next().await {
                match number {
                    Ok(number) => sum += u64::from(number),
                    Err(status) => return answer.fail(status).await,
                }
                if answer.send(sum).await.is_err() {
                    return; // Nobody listens any more.
                }
            }
        });
        Ok(stream)
    }
}

#[tokio::main]
pub(crate) async fn main() -> Result<(), Error> {
    let running = App::new("sums").registry("memory://").serve(SumsServer::new(Adder)).start().await?;
    let sums = SumsClient::connect("sums").address(running.address().to_string()).build()?;

    let mut counted = sums.count(3).await?;
    while let Some(number) = counted.message().await? {
        println!("counted {number}");
    }
    assert_eq!(sums.sum(Streaming::of(1..=100)).await?, 5050);

    let (numbers, stream) = Streaming::channel(1);
    let mut totals = sums.running(stream).await?;
    for (number, total) in [(1, 1), (2, 3), (3, 6)] {
        // An answer to each, before the next is sent: both directions are open.
        numbers.send(number).await.expect("the other side reads");
        assert_eq!(totals.message().await?, Some(total));
    }
    drop(numbers);
    assert_eq!(totals.message().await?, None);

    running.drain().await;
    Ok(())
}
