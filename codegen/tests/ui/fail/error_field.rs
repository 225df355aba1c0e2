use mainstay::ServiceError;

#[derive(Debug)]
struct Sku;

#[derive(ServiceError, Debug)]
enum StockError {
    #[error(code = NotFound, "no article {sku:?}")]
    Unknown { sku: Sku },
    #[error(code = NotFound, "no articles {skus:?}")]
    Many { skus: Vec<String> },
    #[error(code = NotFound, "no article {sku}")]
    NoDisplay { sku: Sku },
}

fn main() {}
