#[mainstay::service]
trait Api: Clone {
    type Item;

    const LIMIT: usize;

    async fn next(&self) -> Result<u64, mainstay::call::Status>;
}

fn main() {}
