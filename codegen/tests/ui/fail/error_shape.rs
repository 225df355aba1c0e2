use mainstay::ServiceError;

#[derive(ServiceError, Debug)]
struct Failure;

#[derive(ServiceError, Debug)]
enum Never {}

#[derive(ServiceError, Debug)]
enum Generic<T> {
    #[error(code = NotFound, "{0}")]
    One(T),
}

#[derive(ServiceError, Debug)]
enum Twice {
    #[error(code = NotFound, "a")]
    OutOfStock,
    #[error(code = NotFound, "b")]
    Out_Of_Stock,
}

fn main() {}
