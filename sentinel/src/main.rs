//! `mainstay-sentinel`: the program is the library's [`mainstay_sentinel::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    mainstay_sentinel::cli::main(std::env::args().skip(1))
}
