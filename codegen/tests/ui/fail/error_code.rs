use mainstay::ServiceError;

#[derive(ServiceError, Debug)]
enum StockError {
    #[error(code = NotFuond, "no article")]
    Misspelt,
    #[error(code = FAILED_PRECONDITION, "no article")]
    Screaming,
    #[error(code = Ok, "fine")]
    Fine,
    #[error("no code")]
    Missing,
    #[error(cod = NotFound, "no code")]
    Option,
    #[error(code = 5, "number")]
    Number,
    Bare,
}

fn main() {}
