//! A service with all four kinds of calls and typed errors, for clients that know nothing of us: Python's gRPC by
//! reflection, and curl.
//!
//! `stock-server [--listen ADDR]`

use std::error::Error;

use mainstay::call::{Cx, ServiceError as _, Streaming};
use mainstay::server::Server;
use mainstay::transport::TcpAccept;
use mainstay::{Message, ServiceError};

/// What is in store of an article.
#[derive(Message, Clone, Debug, PartialEq)]
pub struct Stock {
    /// The article.
    pub sku: String,
    /// How many are left.
    pub left: u32,
}

/// What can go wrong.
#[derive(ServiceError, Clone, Debug)]
pub enum StockError {
    /// There is no such article.
    #[error(code = NotFound, "no article {sku}")]
    Unknown {
        /// The article asked for.
        sku: String,
    },
    /// Fewer are left than wanted.
    #[error(code = FailedPrecondition, "only {left} left")]
    Short {
        /// How many are left.
        left: u32,
    },
}

/// Stock per warehouse.
#[mainstay::service(package = "shop.stock.v1", version = "1.0.0")]
pub trait StockApi {
    /// How many of an article are left.
    #[rpc(idempotent, timeout = "2s", retries = 2, get = "/v1/stock/{sku}")]
    async fn level(&self, sku: String) -> Result<Stock, StockError>;

    /// Sets some aside.
    async fn hold(&self, cx: &Cx, sku: String, qty: u32) -> Result<Stock, StockError>;

    /// The levels of several articles, one after the other.
    async fn watch(&self, skus: Vec<String>) -> Result<Streaming<Stock>, StockError>;

    /// Takes in goods, and says how many.
    async fn load(&self, rows: Streaming<Stock>) -> Result<u64, StockError>;

    /// Answers each question with the level, until one is about an unknown article.
    async fn chat(&self, questions: Streaming<Stock>) -> Result<Streaming<Stock>, StockError>;
}

struct Warehouse;

/// Every article `a-N` is there N times.
fn level(sku: &str) -> Result<Stock, StockError> {
    let left = sku.strip_prefix("a-").and_then(|n| n.parse().ok());
    let left = left.ok_or_else(|| StockError::Unknown { sku: sku.to_owned() })?;
    Ok(Stock { sku: sku.to_owned(), left })
}

impl StockApi for Warehouse {
    async fn level(&self, sku: String) -> Result<Stock, StockError> {
        if sku == "forever" {
            std::future::pending::<()>().await;
        }
        level(&sku)
    }

    async fn hold(&self, cx: &Cx, sku: String, qty: u32) -> Result<Stock, StockError> {
        let Stock { sku, left } = level(&sku)?;
        if let Some(tenant) = cx.metadata().get("tenant") {
            cx.set_header(tonic::metadata::MetadataKey::from_static("tenant"), tenant.clone());
        }
        let left = left.checked_sub(qty).ok_or(StockError::Short { left })?;
        Ok(Stock { sku, left })
    }

    async fn watch(&self, skus: Vec<String>) -> Result<Streaming<Stock>, StockError> {
        let levels = skus.iter().map(|sku| level(sku)).collect::<Result<Vec<_>, _>>()?;
        Ok(Streaming::of(levels))
    }

    async fn load(&self, mut rows: Streaming<Stock>) -> Result<u64, StockError> {
        let mut sum = 0;
        while let Some(Ok(row)) = rows.next().await {
            sum += u64::from(level(&row.sku)?.left.min(row.left));
        }
        Ok(sum)
    }

    async fn chat(&self, mut questions: Streaming<Stock>) -> Result<Streaming<Stock>, StockError> {
        let (sender, answers) = Streaming::channel(4);
        tokio::spawn(async move {
            while let Some(Ok(question)) = questions.next().await {
                match level(&question.sku) {
                    Ok(answer) => drop(sender.send(answer).await),
                    Err(error) => return sender.fail(error.into_status()).await,
                }
            }
        });
        Ok(answers)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listen = std::env::args().skip_while(|a| a != "--listen").nth(1);
    let accept = TcpAccept::bind(listen.as_deref().unwrap_or("127.0.0.1:0")).await?;
    let mut running = Server::new().serve(StockApiServer::new(Warehouse)).start(accept);
    println!("listening {}", running.address().ok_or("no address")?);
    Ok(running.ended().await?)
}
