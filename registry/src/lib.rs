//! Register and discover services.
