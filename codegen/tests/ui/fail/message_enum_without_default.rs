use mainstay::Message;

#[derive(Message)]
enum Kind {
    Solid,
    Fluid,
}

#[derive(Message)]
enum Place {
    Shelf(u32),
    Lost,
}

#[derive(Message)]
struct Stock {
    kind: Kind,
    maybe: Option<Kind>,
    all: Vec<Kind>,
    place: Place,
}

fn main() {}
