#[mainstay::service]
trait Api {
    #[rpc(idempotent, get = "/v1/stock/{skuu}")]
    async fn level(&self, sku: String) -> Result<u64, mainstay::call::Status>;

    #[rpc(idempotent, get = "/v1/{sku}")]
    async fn all(&self) -> Result<u64, mainstay::call::Status>;

    #[rpc(idempotent, get = "v1")]
    async fn relative(&self) -> Result<u64, mainstay::call::Status>;

    #[rpc(idempotent, get = "/v1/of-{sku}")]
    async fn part(&self, sku: String) -> Result<u64, mainstay::call::Status>;
}

fn main() {}
