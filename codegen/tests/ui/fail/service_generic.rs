#[mainstay::service]
trait Api<T: Send> {
    async fn put<M>(&self, amount: u64) -> Result<u64, mainstay::call::Status>;
}

fn main() {}
