//! Every example runs, and what it asserts holds.

#[path = "../examples/custom_layer.rs"]
mod custom_layer;
#[path = "../examples/errors.rs"]
mod errors;
#[path = "../examples/hello.rs"]
mod hello;
#[path = "../examples/opentelemetry.rs"]
mod opentelemetry;
#[path = "../examples/streaming.rs"]
mod streaming;
#[path = "../examples/tls.rs"]
mod tls;
#[path = "../examples/tonic_beside.rs"]
mod tonic_beside;

#[test]
fn hello_runs() {
    hello::main().unwrap();
}

#[test]
fn streaming_runs() {
    streaming::main().unwrap();
}

#[test]
fn errors_runs() {
    errors::main().unwrap();
}

#[test]
fn custom_layer_runs() {
    custom_layer::main().unwrap();
}

#[test]
fn opentelemetry_runs() {
    self::opentelemetry::main().unwrap();
}

#[test]
fn tls_runs() {
    tls::main().unwrap();
}

#[test]
fn tonic_beside_runs() {
    tonic_beside::main().unwrap();
}
