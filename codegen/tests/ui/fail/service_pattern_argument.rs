#[mainstay::service]
trait Api {
    async fn put(&self, (sku, qty): Pair, _: u64) -> Result<u64, mainstay::call::Status>;
}

struct Pair;

fn main() {}
