//! The shop: two services, a site that joins them, and a demo that runs them all.
//!
//! One binary, the role by its first argument: `shop member|promotion|site` is one process of one service, with the
//! settings of any application (`--help`); `shop gateway` is the gateway before them; `shop demo` starts two of each service,
//! one site and one gateway.

mod args;
mod check;
mod child;
mod demo;
mod gateway;
mod http;
mod member;
mod promotion;
mod report;
mod site;
mod stop;

use args::Role;
use mainstay::prelude::*;
use std::process::ExitCode;

fn main() -> ExitCode {
    match args::read(std::env::args().skip(1)) {
        // It has a runtime of its own.
        Ok(Role::Gateway(words)) => gateway::run(words),
        role => be(role),
    }
}

#[tokio::main]
async fn be(role: Result<Role, String>) -> ExitCode {
    let ended = match role {
        Ok(Role::Demo(options)) => demo::run(options).await,
        Ok(Role::Member(settings)) => member::run(settings).await.map_err(|error| format!("{error:?}")),
        Ok(Role::Promotion(settings)) => promotion::run(settings).await.map_err(|error| format!("{error:?}")),
        Ok(Role::Site(settings)) => site::run(settings).await.map_err(|error| format!("{error:?}")),
        Ok(Role::Help | Role::Gateway(_)) => {
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
