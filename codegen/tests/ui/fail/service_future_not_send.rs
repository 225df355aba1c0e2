use mainstay::call::Status;
use std::rc::Rc;

#[mainstay::service]
trait Api {
    async fn put(&self, order: u64) -> Result<u64, Status>;
}

struct Shop;

impl Api for Shop {
    async fn put(&self, order: u64) -> Result<u64, Status> {
        let order = Rc::new(order);
        std::future::ready(()).await;
        Ok(*order)
    }
}

fn main() {}
