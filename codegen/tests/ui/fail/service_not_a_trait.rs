struct Warehouse;

#[mainstay::service]
impl Warehouse {}

fn main() {}
