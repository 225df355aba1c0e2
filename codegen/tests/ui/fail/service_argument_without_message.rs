use mainstay::call::Status;

struct Order {
    id: u64,
}

#[mainstay::service]
trait Api {
    async fn put(&self, order: Order) -> Result<u64, Status>;
}

fn main() {}
