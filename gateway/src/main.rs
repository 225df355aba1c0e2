//! `mainstay-gateway`: the program is the library's [`mainstay_gateway::cli`].

use std::process::ExitCode;

/// Many small allocations for each request are what a proxy makes.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    mainstay_gateway::cli::main(std::env::args().skip(1))
}
