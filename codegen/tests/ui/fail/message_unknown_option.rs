use mainstay::Message;

#[derive(Message)]
#[message(packge = "shop.v1", nmae = "Stock")]
struct Stock {
    #[field(mesage)]
    sku: String,
    #[field(number)]
    left: u32,
    #[field = 3]
    right: u32,
    #[field("3")]
    text: u32,
}

#[derive(Message)]
#[message(package = "shop..v1", name = "Sto ck")]
struct Named {}

fn main() {}
