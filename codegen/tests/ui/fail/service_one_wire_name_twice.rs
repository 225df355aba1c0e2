#[mainstay::service]
trait Api {
    async fn get_stock(&self) -> Result<u64, mainstay::call::Status>;

    async fn other(&self) -> Result<u64, mainstay::call::Status>;

    #[rpc(name = "GetStock")]
    async fn find(&self) -> Result<u64, mainstay::call::Status>;
}

fn main() {}
