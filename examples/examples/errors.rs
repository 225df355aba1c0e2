//! Errors: the service's own keep their type across the wire; everything else is a status with a reason that stays.

use mainstay::{call::Reason, prelude::*};

/// What can go wrong with stock.
#[derive(ServiceError, Clone, Debug, PartialEq)]
enum StockError {
    #[error(code = NotFound, "no article {sku}")]
    Unknown { sku: String },
    #[error(code = FailedPrecondition, "only {left} left")]
    Short { left: u32 },
}

/// Stock.
#[mainstay::service(package = "stock.v1")]
trait StockApi {
    /// Takes some out; answers what is left.
    async fn take(&self, sku: String, quantity: u32) -> Result<u32, StockError>;
}

struct Shelf;

impl StockApi for Shelf {
    async fn take(&self, sku: String, quantity: u32) -> Result<u32, StockError> {
        match (sku.as_str(), quantity) {
            ("tea", ..=10) => Ok(10 - quantity),
            ("tea", _) => Err(StockError::Short { left: 10 }),
            _ => Err(StockError::Unknown { sku }),
        }
    }
}

#[tokio::main]
pub(crate) async fn main() -> Result<(), Error> {
    let running = App::new("stock").registry("memory://").serve(StockApiServer::new(Shelf)).start().await?;
    let stock = StockApiClient::connect("stock").address(running.address().to_string()).build()?;

    assert_eq!(stock.take("tea".into(), 4).await?, 6);
    match stock.take("tea".into(), 40).await {
        // A value, not a text: matched as it would be inside one process.
        Err(CallError::App(StockError::Short { left })) => println!("{left} left, order fewer"),
        other => panic!("{other:?}"),
    }

    running.drain().await;
    match stock.take("tea".into(), 1).await {
        // Nobody is there: the reason says so, and that repeating is safe.
        Err(CallError::Call(status)) => {
            println!("{status}");
            assert_eq!((status.reason(), status.reached_server()), (Reason::ConnectFailed, false));
        }
        other => panic!("{other:?}"),
    }
    Ok(())
}
