//! A user's own names stand in for nothing.

#![deny(warnings)]
#![allow(dead_code, non_snake_case, unused_macros, clippy::all)]

pub struct Option;
pub struct String;
pub struct Vec;
pub struct Box;
pub struct Arc;
pub struct Send;
pub struct Default;
pub struct Clone;
pub struct Debug;
pub struct From;
pub struct Future;
pub struct Client;
pub struct Streaming;
pub type Result<T> = ::core::result::Result<T, mainstay::call::Status>;
pub fn Some() {}
pub fn Ok() {}
pub fn Err() {}
pub fn drop() {}
pub mod std {}
macro_rules! cfg {
    () => {};
}
macro_rules! env {
    () => {};
}

#[derive(mainstay::Message, PartialEq)]
pub struct Item {
    pub request: u32,
}

#[mainstay::service]
pub trait Odd {
    async fn one(
        &self,
        request: u32,
        cx: u32,
        value: u32,
        shared: u32,
        routes: u32,
        shown: ::std::string::String,
    ) -> Result<u32>;

    async fn two(
        &self,
        r#type: ::std::option::Option<u32>,
        #[cx] context: &mainstay::call::Cx,
    ) -> Result<::std::vec::Vec<Item>>;

    async fn three(&self, many: mainstay::call::Streaming<Item>) -> Result<mainstay::call::Streaming<Item>>;

    #[cfg(not(any()))]
    async fn here(&self, item: Item) -> Result<()>;

    #[cfg(any())]
    async fn gone(&self, item: Missing) -> Result<()>;

    async fn last(&self) -> Result<Item>;

    #[rpc(wrap)]
    async fn wrapped(&self, item: Item) -> Result<Item>;

    #[deprecated]
    async fn old(&self, item: Item) -> Result<Item> {
        ::core::result::Result::Ok(item)
    }
}

fn main() {
    let methods = OddClient::definition().methods;
    let names: ::std::vec::Vec<_> = methods.iter().map(|method| method.name).collect();
    assert_eq!(names, ["One", "Two", "Three", "Here", "Last", "Wrapped", "Old"]);
}
