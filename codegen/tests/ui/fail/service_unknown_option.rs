#[mainstay::service(pakage = "shop.v1", verison = "1.0.0", colour = "red")]
trait Api {
    #[rpc(idempotant, timeuot = "1s", fast)]
    async fn next(&self) -> Result<u64, mainstay::call::Status>;
}

fn main() {}
