#[mainstay::service(package = "shop..v1", version = "", name = "shop.Api", lock = "yes")]
trait Api {
    #[rpc(idempotent, timeout = "200", retries = -1)]
    async fn first(&self) -> Result<u64, mainstay::call::Status>;

    #[rpc(idempotent = true, timeout = "0s", name = "a-b")]
    async fn second(&self) -> Result<u64, mainstay::call::Status>;

    #[rpc(idempotent, retries, timeout = 5, timeout = "5s")]
    async fn third(&self) -> Result<u64, mainstay::call::Status>;
}

fn main() {}
