use mainstay::Message;

#[derive(Message)]
struct Page<T> {
    items: Vec<T>,
}

#[derive(Message)]
struct Borrowed<'a> {
    name: &'a str,
}

fn main() {}
