//! What callers get instead of an answer, written as JSON: an operator's way to say it, in a file or a setting.

use mainstay::{client::Degrade, prelude::*, registry::MemoryRegistry};
use mainstay_registry::Hub;
use std::time::Duration;

#[derive(Message, Clone, Debug, PartialEq)]
struct Left {
    sku: String,
    left: u32,
}

#[mainstay::service(package = "test.v1")]
trait Stock {
    #[rpc(idempotent)]
    async fn level(&self, sku: String) -> Result<Left>;
}

fn falling_back_on(json: &str) -> std::result::Result<StockClient, Error> {
    let nobody = Hub::new(MemoryRegistry::new());
    let client = StockClient::connect("stock").registry(&nobody).patience(Duration::from_millis(10));
    client.degrade("Level", Degrade::json(json)).build()
}

#[tokio::test(start_paused = true)]
async fn json_is_what_callers_get_while_nobody_answers() {
    let client = falling_back_on(r#"{"sku": "any", "left": 7}"#).unwrap();
    for _ in 0..2 {
        assert_eq!(client.level("a".to_owned()).await.unwrap(), Left { sku: "any".to_owned(), left: 7 });
    }
    // What it leaves out is as proto3 has it.
    let client = falling_back_on("{}").unwrap();
    assert_eq!(client.level("a".to_owned()).await.unwrap(), Left { sku: String::new(), left: 0 });
}

#[tokio::test]
async fn json_that_is_no_such_message_is_refused_when_the_client_is_built() {
    let refused = falling_back_on(r#"{"lefft": 7}"#).unwrap_err().to_string();
    assert!(refused.contains("no test.v1.Left") && refused.contains("lefft"), "{refused}");
    for json in [r#"{"left": "many"}"#, "{"] {
        assert!(falling_back_on(json).is_err(), "{json}");
    }
}
