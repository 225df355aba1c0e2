#[mainstay::service]
trait Api {
    async fn count(&self) -> u64;

    async fn put(&self, amount: u64);

    async fn pair(&self) -> Result<(u64, u64), mainstay::call::Status>;
}

fn main() {}
