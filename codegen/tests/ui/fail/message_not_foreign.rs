use mainstay::Message;

struct Plain;

#[derive(Message)]
struct Stock {
    #[field(message)]
    plain: Plain,
    #[field(message)]
    plains: Vec<Plain>,
}

fn main() {}
