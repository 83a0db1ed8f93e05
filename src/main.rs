//! The `orderbell` program: parses the command line and runs one command.

use std::process::ExitCode;

use clap::Parser as _;
use orderbell::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().run()
}
