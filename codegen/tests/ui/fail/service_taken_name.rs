#[derive(mainstay::Message)]
struct PutRequest {
    amount: u64,
}

#[mainstay::service]
trait Api {
    async fn connect(&self) -> Result<u64, mainstay::call::Status>;

    async fn put(&self, amount: u64, by: u64) -> Result<u64, mainstay::call::Status>;

    async fn put_all(&self, all: PutRequest) -> Result<u64, mainstay::call::Status>;
}

fn main() {}
