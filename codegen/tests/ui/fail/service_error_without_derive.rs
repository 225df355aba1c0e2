#[derive(Debug)]
struct Oops;

#[mainstay::service]
trait Api {
    async fn put(&self) -> Result<u64, Oops>;
}

fn main() {}
