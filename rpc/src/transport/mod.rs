//! The only place that knows HTTP.

mod budget;
mod coalesce;
mod deframe;
mod grpc;
mod gzip;
