use mainstay::ServiceError;

#[derive(ServiceError, Debug)]
#[service_error(domian = "shop")]
enum StockError {
    #[error(code = NotFound, "no article {skk}")]
    Misspelt { sku: String },
    #[error(code = NotFound, "{0} of {1}")]
    Position(u32),
    #[error(code = NotFound, "{}")]
    Nothing,
    #[error(code = NotFound, "{sku")]
    Open { sku: String },
    #[error(code = NotFound)]
    Silent,
}

fn main() {}
