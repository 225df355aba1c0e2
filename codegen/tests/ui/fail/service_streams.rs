use mainstay::call::{Status, Streaming};

#[mainstay::service]
trait Api {
    async fn two(&self, left: Streaming<u64>, right: Streaming<u64>) -> Result<u64, Status>;

    async fn beside(&self, name: String, rows: Streaming<u64>) -> Result<u64, Status>;

    async fn nested(&self) -> Result<Streaming<Streaming<u64>>, Status>;

    #[rpc(idempotent, retries = 1)]
    async fn again(&self) -> Result<Streaming<u64>, Status>;

    #[rpc(idempotent, get = "/v1/rows")]
    async fn upload(&self, rows: Streaming<u64>) -> Result<u64, Status>;
}

fn main() {}
