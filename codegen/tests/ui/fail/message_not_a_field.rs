use mainstay::Message;
use std::collections::HashMap;

struct Plain;

#[derive(Message)]
struct Stock {
    small: u16,
    plain: Plain,
    plains: Vec<Plain>,
    nested: Option<Vec<u32>>,
    by_weight: HashMap<f64, u32>,
}

#[derive(Message)]
enum Place {
    Shelf(u8),
    All(Vec<String>),
}

fn main() {}
