#[mainstay::service]
trait Api {
    #[rpc(get = "/v1/next")]
    async fn next(&self) -> Result<u64, mainstay::call::Status>;
}

fn main() {}
