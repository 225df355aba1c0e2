#[mainstay::service]
trait Api {
    #[rpc(retries = 2)]
    async fn pay(&self, amount: u64) -> Result<u64, mainstay::call::Status>;
}

fn main() {}
