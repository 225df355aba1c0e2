use mainstay::Message;

#[derive(Message)]
struct Stock {
    sku: String,
    #[field(1)]
    left: u32,
    #[field(0)]
    zero: u32,
    #[field(19500)]
    kept: u32,
    #[field(536870912)]
    large: u32,
    #[field(7, 8)]
    two: u32,
    #[field(-3)]
    minus: u32,
}

#[derive(Message)]
enum Kind {
    Solid = 3,
    #[field(3)]
    Fluid,
    Gas = 0,
}

fn main() {}
