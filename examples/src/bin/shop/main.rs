//! The shop: two services, a site that joins them, and a demo that runs them all.
//!
//! One binary, the role by its first argument: `shop member|promotion|site` is one process of one service, with the
//! settings of any application (`--help`); `shop demo` starts two of each and one site.

mod args;
mod check;
mod child;
mod demo;
mod http;
mod member;
mod promotion;
mod report;
mod site;
mod stop;

use args::Role;
use mainstay::prelude::*;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match args::read(std::env::args().skip(1)) {
        Ok(Role::Demo(options)) => demo::run(options).await,
        Ok(Role::Member(settings)) => member::run(settings).await.map_err(|error| format!("{error:?}")),
        Ok(Role::Promotion(settings)) => promotion::run(settings).await.map_err(|error| format!("{error:?}")),
        Ok(Role::Site(settings)) => site::run(settings).await.map_err(|error| format!("{error:?}")),
        Ok(Role::Help) => {
            println!("{}", args::HELP);
            Ok(())
        }
        Err(problem) => Err(format!("{problem}\n\n{}", args::HELP)),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("shop: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// An application of the shop: set up by its arguments and the process' variables.
fn app(name: &str, settings: Vec<String>) -> Result<App, Error> {
    App::from_sources(name, settings, std::env::vars())
}
