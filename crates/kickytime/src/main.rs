//! `kickytime`: runs, proves and operates the system of a CloudFormation template.
//!
//! This file only dispatches. A command parses its arguments in `cli`, works
//! in its file under `commands`, and speaks through `render`. Exit status: 0
//! is yes or clean, 1 a clean no (findings), 2 "could not answer".

mod cli;
mod commands;
mod error;
mod operate;
mod render;
mod sign_in;
mod source;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let terminal = render::Terminal::new(cli.global.color);
    let outcome = match cli.command {
        Command::Up(arguments) => commands::up::run(&arguments, &terminal),
        Command::Down(arguments) => commands::down::run(&arguments),
        Command::Status(arguments) => commands::status::run(&arguments),
        Command::Exec(arguments) => commands::exec::run(&arguments),
        Command::Env(arguments) => commands::env::run(&arguments),
        Command::Db(arguments) => commands::db::run(&arguments),
        Command::Session(arguments) => commands::session::run(&arguments),
        Command::Logs(arguments) => commands::logs::run(&arguments),
        Command::Check(arguments) => commands::check::run(&arguments, &terminal),
        Command::Cost(arguments) => commands::cost::run(&arguments),
        Command::Diagram(arguments) => commands::diagram::run(&arguments),
        Command::Explain(arguments) => commands::explain::run(&arguments),
        Command::Reach(arguments) => commands::reach::run(&arguments),
        Command::Can(arguments) => commands::can::run(&arguments),
        Command::WhoCan(arguments) => commands::who_can::run(&arguments),
        Command::Agent(arguments) => commands::agent::run(&arguments),
    };
    match outcome {
        Ok(status) => status,
        Err(error) => {
            render::error(&error, &terminal);
            ExitCode::from(2)
        }
    }
}
