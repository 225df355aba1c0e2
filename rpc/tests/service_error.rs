//! Errors keep their type across the wire.

use mainstay::ServiceError;
use mainstay::call::{ErrorInfo, ServiceError as _, Status};
use tonic::Code;

#[derive(ServiceError, Clone, Debug, PartialEq)]
enum StockError {
    #[error(code = NotFound, "no article {sku}")]
    Unknown { sku: String },
    #[error(code = FailedPrecondition, "only {left} left of {0:?}", sku)]
    OutOfStock { left: u32, sku: String, since: Option<u64> },
    #[error(code = Unavailable, "{0} is closed, {{try}} {1}")]
    Closed(String, i32),
    #[error(code = Internal, "broken")]
    Broken,
}

#[derive(ServiceError, Debug, PartialEq)]
#[service_error(domain = "shop.stock")]
enum Domained {
    #[error(code = Aborted, "again")]
    Broken,
}

fn all() -> [StockError; 5] {
    [
        StockError::Unknown { sku: "a-1".into() },
        StockError::OutOfStock { left: 3, sku: "b".into(), since: Some(7) },
        StockError::OutOfStock { left: 0, sku: String::new(), since: None },
        StockError::Closed("Ülm".into(), -5),
        StockError::Broken,
    ]
}

#[test]
fn each_variant_comes_back_from_the_bytes_of_its_status() {
    for error in all() {
        let sent = error.to_status();
        // Only what travels: code, message and details.
        let received = Status::new(sent.code(), sent.message().to_owned()).with_details(sent.details().clone());
        assert_eq!(StockError::from_status(&received), Some(error));
    }
}

#[test]
fn code_message_reason_and_domain_are_what_the_attributes_say() {
    let status = StockError::OutOfStock { left: 3, sku: "b".into(), since: None }.to_status();
    assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, "only 3 left of \"b\""));
    let info = ErrorInfo::new("OUT_OF_STOCK", "StockError").with("left", 3).with("sku", "b");
    assert_eq!(status.info(), Some(&info));
    assert_eq!(StockError::Closed("x".into(), 1).to_string(), "x is closed, {try} 1");
    assert_eq!(Domained::Broken.to_status().info(), Some(&ErrorInfo::new("BROKEN", "shop.stock")));
}

#[test]
fn what_is_another_error_is_not_taken_for_one_of_these() {
    let of = |info| StockError::from_status(&Status::new(Code::NotFound, "x").with_info(info));
    assert_eq!(of(ErrorInfo::new("UNKNOWN", "OtherError").with("sku", "a")), None);
    assert_eq!(of(ErrorInfo::new("ADDED_LATER", "StockError")), None);
    // A field that is missing or cannot be read.
    assert_eq!(of(ErrorInfo::new("UNKNOWN", "StockError")), None);
    assert_eq!(of(ErrorInfo::new("OUT_OF_STOCK", "StockError").with("left", "many").with("sku", "a")), None);
    assert_eq!(StockError::from_status(&Status::new(Code::NotFound, "plain")), None);
    assert_eq!(StockError::from_status(&Domained::Broken.to_status()), None);
}

#[test]
fn it_is_an_error_of_std() {
    let boxed: Box<dyn std::error::Error + Send + Sync> = Box::new(StockError::Broken);
    assert_eq!(boxed.to_string(), "broken");
}
