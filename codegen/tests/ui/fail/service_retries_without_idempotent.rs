#[mainstay::service]
trait Api {
    #[rpc(retries = 2)]
    async fn pay(&self, amount: u64) -> Result<u64, mainstay::call::Status>;

    #[rpc(per_try_timeout = "50ms")]
    async fn book(&self, amount: u64) -> Result<u64, mainstay::call::Status>;
}

fn main() {}
