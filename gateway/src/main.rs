//! `mainstay-gateway`: the program is the library's [`mainstay_gateway::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    mainstay_gateway::cli::main(std::env::args().skip(1))
}
