use mainstay::call::{Cx, Status, Streaming};

#[mainstay::service(packge = "shop.v1")]
trait Api {
    #[rpc(retries = 3, tiemout = "1 day")]
    fn first(&self, sku: &str) -> Result<u64, Status>;

    async fn second(&self, cx: &Cx, other: &Cx) -> u64;

    async fn third(&self, #[serde(skip)] rows: Streaming<u64>, name: String) -> Result<u64, Status>;
}

fn main() {}
