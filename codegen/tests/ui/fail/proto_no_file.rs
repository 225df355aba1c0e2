mainstay::include_proto!("/nowhere/stock.proto");

fn main() {}
