//! A trait need not stand in a module of its own, and need not be public.

#![deny(warnings)]

use mainstay::{Message, call::Status};

fn main() {
    #[derive(Message, Clone, Debug)]
    struct Local {
        a: u32,
    }

    #[mainstay::service]
    trait Inner {
        async fn a(&self, l: Local) -> Result<Local, Status>;

        async fn b(&self, l: Vec<Local>) -> Result<u32, Status>;
    }

    assert_eq!(InnerClient::definition().full_name, "Inner");
}
