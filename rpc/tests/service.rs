//! What `#[service]` makes of a trait: the four kinds of call through the whole codec, the definition, the mock.

use mainstay::{
    Message,
    call::{CallError, Cx, Kind, Status, Streaming},
    service,
};
use std::{sync::Arc, time::Duration};
use tonic::Code;

#[derive(Message, Clone, Debug, PartialEq)]
struct Stock {
    sku: String,
    left: u32,
}

#[derive(mainstay::ServiceError, Clone, Debug, PartialEq)]
enum StockError {
    #[error(code = NotFound, "no article {sku}")]
    Unknown { sku: String },
}

#[derive(Message, Clone, Copy, Debug, PartialEq)]
enum Colour {
    #[default]
    Red,
    Green,
}

/// Stock per warehouse.
///
/// In pieces.
#[service(package = "shop.stock.v1", version = "1.0.0", group = "blue", name = "Stocks")]
trait StockApi {
    /// How much is left.
    #[rpc(idempotent, timeout = "200ms", retries = 2, get = "/v1/stock/{sku}")]
    async fn level(&self, sku: String) -> Result<Stock, StockError>;

    #[rpc(spawn)]
    async fn hold(&self, cx: &Cx, sku: String, qty: u32) -> Result<Stock, StockError>;

    async fn put(&self, stock: Stock) -> Result<(), StockError>;

    async fn first(&self) -> Result<Option<Stock>, StockError>;

    async fn watch(&self, skus: Vec<String>) -> Result<Streaming<Stock>, StockError>;

    async fn load(&self, rows: Streaming<Stock>) -> Result<u64, StockError>;

    async fn chat(&self, cx: &Cx, q: Streaming<Stock>) -> Result<Streaming<Stock>, StockError>;

    async fn digits(&self, numbers: Streaming<u64>) -> Result<Streaming<String>, StockError>;

    #[rpc(wrap, name = "Mix")]
    async fn paint(&self, colour: Colour) -> Result<Colour, StockError>;

    async fn twice(&self, mut number: u32) -> Result<u32, StockError> {
        number *= 2;
        Ok(number)
    }
}

struct Warehouse;

impl StockApi for Warehouse {
    async fn level(&self, sku: String) -> Result<Stock, StockError> {
        if sku == "none" { Err(StockError::Unknown { sku }) } else { Ok(Stock { sku, left: 3 }) }
    }

    async fn hold(&self, cx: &Cx, sku: String, qty: u32) -> Result<Stock, StockError> {
        assert_eq!(cx.method().name(), "Hold");
        Ok(Stock { sku, left: qty })
    }

    async fn put(&self, _: Stock) -> Result<(), StockError> {
        Ok(())
    }

    async fn first(&self) -> Result<Option<Stock>, StockError> {
        Ok(None)
    }

    async fn watch(&self, skus: Vec<String>) -> Result<Streaming<Stock>, StockError> {
        Ok(Streaming::of(skus.into_iter().map(|sku| Stock { sku, left: 1 })))
    }

    async fn load(&self, rows: Streaming<Stock>) -> Result<u64, StockError> {
        Ok(rows.collect().await.map_or(0, |rows| rows.len() as u64))
    }

    async fn chat(&self, _: &Cx, q: Streaming<Stock>) -> Result<Streaming<Stock>, StockError> {
        Ok(q.map(|stock| Stock { left: stock.left + 1, ..stock }))
    }

    async fn digits(&self, numbers: Streaming<u64>) -> Result<Streaming<String>, StockError> {
        Ok(numbers.map(|number| number.to_string()))
    }

    async fn paint(&self, colour: Colour) -> Result<Colour, StockError> {
        Ok(if colour == Colour::Red { Colour::Green } else { Colour::Red })
    }
}

fn stock(sku: &str, left: u32) -> Stock {
    Stock { sku: sku.into(), left }
}

#[tokio::test]
async fn all_four_kinds_go_through_the_codec() {
    let client = StockApiClient::in_process(Warehouse);
    assert_eq!(client.level("a".into()).await.unwrap(), stock("a", 3));
    assert_eq!(client.hold("a".into(), 7).await.unwrap(), stock("a", 7));
    client.put(stock("a", 1)).await.unwrap();
    assert_eq!(client.first().await.unwrap(), None);
    let watched = client.watch(vec!["a".into(), "b".into()]).await.unwrap().collect().await.unwrap();
    assert_eq!(watched, [stock("a", 1), stock("b", 1)]);
    assert_eq!(client.load(Streaming::of([stock("a", 1), stock("b", 2)])).await.unwrap(), 2);
    let answers = client.chat(Streaming::of([stock("a", 1)])).await.unwrap().collect().await.unwrap();
    assert_eq!(answers, [stock("a", 2)]);
    assert_eq!(client.digits(Streaming::of([7, 0])).await.unwrap().collect().await.unwrap(), ["7", "0"]);
    assert_eq!(client.paint(Colour::Red).await.unwrap(), Colour::Green);
    assert_eq!(client.twice(21).await.unwrap(), 42);
}

#[tokio::test]
async fn the_services_own_error_comes_back_typed() {
    let client = StockApiClient::in_process(Warehouse);
    let error = client.level("none".into()).await.unwrap_err();
    assert_eq!(error.app(), Some(&StockError::Unknown { sku: "none".into() }));
}

#[test]
fn the_definition_says_what_the_trait_says() {
    let def = StockApiClient::definition();
    assert_eq!((def.package, def.name, def.full_name), ("shop.stock.v1", "Stocks", "shop.stock.v1.Stocks"));
    assert_eq!((def.version, def.group), (Some("1.0.0"), Some("blue")));
    assert_eq!(def.docs, "Stock per warehouse.\n\nIn pieces.");
    let kinds: Vec<_> = def.methods.iter().map(|m| (m.name, m.aliases[0], m.kind)).collect();
    assert_eq!(
        kinds,
        [
            ("Level", "level", Kind::Unary),
            ("Hold", "hold", Kind::Unary),
            ("Put", "put", Kind::Unary),
            ("First", "first", Kind::Unary),
            ("Watch", "watch", Kind::ServerStreaming),
            ("Load", "load", Kind::ClientStreaming),
            ("Chat", "chat", Kind::BidiStreaming),
            ("Digits", "digits", Kind::BidiStreaming),
            ("Mix", "mix", Kind::Unary),
            ("Twice", "twice", Kind::Unary),
        ]
    );
    let level = &def.methods[0];
    assert!(level.idempotent && !level.spawn && def.methods[1].spawn);
    assert_eq!((level.timeout, level.retries), (Some(Duration::from_millis(200)), Some(2)));
    assert_eq!((level.get, level.docs), (Some("/v1/stock/{sku}"), "How much is left."));
}

#[test]
fn messages_are_the_users_own_or_made_for_the_method() {
    let def = StockApiClient::definition();
    let mut types = mainstay::schema::Types::new(def.package);
    let names: Vec<_> = def
        .methods
        .iter()
        .map(|m| ((m.input)(&mut types).full_name().to_owned(), (m.output)(&mut types).full_name().to_owned()))
        .collect();
    let expected = [
        ("shop.stock.v1.LevelRequest", "shop.stock.v1.Stock"),
        ("shop.stock.v1.HoldRequest", "shop.stock.v1.Stock"),
        ("shop.stock.v1.Stock", "google.protobuf.Empty"),
        ("google.protobuf.Empty", "shop.stock.v1.FirstResponse"),
        ("shop.stock.v1.WatchRequest", "shop.stock.v1.Stock"),
        ("shop.stock.v1.Stock", "shop.stock.v1.LoadResponse"),
        ("shop.stock.v1.Stock", "shop.stock.v1.Stock"),
        ("shop.stock.v1.DigitsRequest", "shop.stock.v1.DigitsResponse"),
        ("shop.stock.v1.MixRequest", "shop.stock.v1.MixResponse"),
        ("shop.stock.v1.TwiceRequest", "shop.stock.v1.TwiceResponse"),
    ];
    assert_eq!(names, expected.map(|(input, output)| (input.to_owned(), output.to_owned())));
    assert!(types.problems().is_empty(), "{:?}", types.problems());
}

#[tokio::test]
async fn a_mock_is_injected_as_dyn() {
    let mock = MockStockApi::new();
    mock.level().with("a").times(2).returns(Ok(stock("a", 1)));
    mock.hold().with(("a", 2)).answers(|(sku, left)| Ok(Stock { sku, left }));
    mock.first().with(()).fails(Status::new(Code::Unavailable, "away"));
    let injected: Arc<dyn StockApiDyn> = Arc::new(mock.clone());
    for _ in 0..2 {
        assert_eq!(injected.level("a".into()).await.unwrap().left, 1);
    }
    assert_eq!(injected.hold("a".into(), 2).await.unwrap().left, 2);
    let CallError::Call(status) = injected.first().await.unwrap_err() else { panic!("a status") };
    assert_eq!(status.code(), Code::Unavailable);
    mock.verify();
}

#[tokio::test]
async fn a_mock_is_served_like_any_implementation() {
    let mock = MockStockApi::new();
    mock.level().returns(Err(StockError::Unknown { sku: "x".into() }));
    mock.load().when(|(_,)| true).returns(Ok(9));
    let client = StockApiClient::in_process(mock.clone());
    assert!(client.level("x".into()).await.unwrap_err().app().is_some());
    assert_eq!(client.load(Streaming::of([stock("a", 1)])).await.unwrap(), 9);
    let served = StockApiServer::new(mock);
    assert_eq!(format!("{served:?}"), "StockApiServer");
}

#[tokio::test]
async fn the_client_and_the_mock_are_one_type_for_a_caller() {
    let client: Arc<dyn StockApiDyn> = Arc::new(StockApiClient::in_process(Warehouse));
    assert_eq!(client.twice(2).await.unwrap(), 4);
}
