use mainstay::{Message, call::Status};

#[derive(Message, Clone, Debug)]
enum Colour {
    #[default]
    Red,
    Green,
}

#[mainstay::service]
trait Api {
    async fn paint(&self, colour: Colour) -> Result<u64, Status>;

    #[rpc(wrap)]
    async fn wrapped(&self, colour: Colour) -> Result<Colour, Status>;
}

fn main() {}
