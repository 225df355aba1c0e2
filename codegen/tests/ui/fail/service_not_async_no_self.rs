#[mainstay::service]
trait Api {
    fn waits(&self) -> Result<u64, mainstay::call::Status>;

    async fn nobody() -> Result<u64, mainstay::call::Status>;

    async fn alone(amount: u64) -> Result<u64, mainstay::call::Status>;

    async fn owned(self) -> Result<u64, mainstay::call::Status>
    where
        Self: Sized;

    async fn changes(&mut self) -> Result<u64, mainstay::call::Status>;
}

fn main() {}
