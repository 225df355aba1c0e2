use mainstay::Message;

#[derive(Message)]
struct Sku(String);

#[derive(Message)]
enum Never {}

#[derive(Message)]
union Bits {
    a: u32,
    b: f32,
}

#[derive(Message)]
enum Place {
    At(u32, u32),
}

fn main() {}
