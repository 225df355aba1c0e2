//! Typed service traits in, gRPC on the wire.
