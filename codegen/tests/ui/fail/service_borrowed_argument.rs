#[mainstay::service]
trait Api {
    async fn level(&self, sku: &str, skus: Vec<&'static str>) -> Result<u64, mainstay::call::Status>;

    async fn into(&self, sku: impl Into<String>) -> Result<u64, mainstay::call::Status>;

    async fn both(&self, pair: (u64, u64), cx: mainstay::call::Cx) -> Result<u64, mainstay::call::Status>;
}

fn main() {}
