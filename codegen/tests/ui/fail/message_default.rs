use mainstay::Message;

const SEVEN: isize = 7;

#[derive(Message)]
enum Level {
    #[default]
    Low,
    #[default]
    High,
    Seventh = SEVEN,
}

#[derive(Message)]
enum Other {
    Unspecified,
    #[default]
    First = 1,
}

#[derive(Message)]
enum Kind {
    Unspecified,
    Solid,
}

#[derive(Message)]
enum Place {
    #[default]
    Shelf(u32),
    #[field(message)]
    Old,
    Other,
}

#[derive(Message)]
struct Stock {
    #[default]
    left: u32,
}

fn main() {}
