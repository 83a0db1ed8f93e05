//! The commands.

mod admin;
mod demo;
mod doctor;
mod serve;
mod tail;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use crate::app;
use crate::settings::{DomainOptions, Settings, SettingsError};
use crate::telemetry;

/// Exit code for bad settings, from sysexits.h (`EX_CONFIG`).
const BAD_SETTINGS: u8 = 78;

/// A live order desk for small shops.
///
/// Without a command, orderbell serves the desk. Settings come from config/default.toml in the folder of the program, from the
/// file of --config, and from environment variables such as ORDERBELL_SERVER__PORT; a later one overrides an earlier one.
/// config/default.toml in the source code explains every setting.
#[derive(Parser)]
#[command(version, about)]
pub struct Cli {
    /// Settings file; its values override the built-in defaults.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the desk (the default).
    Serve(PublicDesk),
    /// Serve a temporary store with made-up orders that arrive and change status.
    Demo(demo::Demo),
    /// Check settings, store, addresses and certificate, and say how to fix problems. Takes the same options as `serve`.
    Doctor(PublicDesk),
    /// Add, list, disable and enable admins, the people who may sign in; set their passwords.
    #[command(subcommand)]
    Admin(admin::AdminCommand),
    /// Create, list and revoke bearer tokens for scripts.
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Print new and changed orders in the terminal as they arrive.
    Tail(tail::Tail),
}

/// A desk on the internet, without a settings file.
#[derive(Args, Default)]
struct PublicDesk {
    /// Serve HTTPS under this domain, with a certificate from Let's Encrypt that is renewed by itself. Listens on ports 443 and
    /// 80 of all addresses unless the settings say otherwise. May be given several times.
    #[arg(long, value_name = "DOMAIN")]
    domain: Vec<String>,
    /// E-mail address for messages of Let's Encrypt.
    #[arg(long, value_name = "EMAIL", requires = "domain")]
    email: Option<String>,
}

impl PublicDesk {
    fn options(&self) -> DomainOptions {
        DomainOptions {
            domains: self.domain.clone(),
            email: self.email.clone(),
        }
    }
}

impl Cli {
    /// Runs the command, and returns its exit code.
    pub fn run(self) -> ExitCode {
        // One thread is enough: the HTTP server and the store have their own.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let result = match runtime {
            Ok(runtime) => runtime.block_on(self.execute()),
            Err(error) => Err(error.into()),
        };
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                say_error(&format!("{error:#}"));
                if error.is::<SettingsError>() {
                    ExitCode::from(BAD_SETTINGS)
                } else {
                    ExitCode::FAILURE
                }
            }
        }
    }

    async fn execute(self) -> anyhow::Result<()> {
        let command = self
            .command
            .unwrap_or(Command::Serve(PublicDesk::default()));
        let options = match &command {
            Command::Serve(desk) | Command::Doctor(desk) => desk.options(),
            _ => DomainOptions::default(),
        };
        let environment = Settings::environment();
        let file = self.config.as_deref();
        let settings = Settings::load_for_domains(file, &environment, &options)?;
        telemetry::init(&settings.log);
        match command {
            Command::Serve(_) => serve::run(settings).await,
            Command::Demo(demo) => demo.run(settings).await,
            Command::Doctor(_) => doctor::run(&settings).await,
            Command::Admin(command) => command.run(&*app::accounts(&settings.store.kind)?).await,
            Command::Token(command) => command.run(&*app::accounts(&settings.store.kind)?).await,
            Command::Tail(tail) => tail.run(&settings).await,
        }
    }
}

/// Prints to standard output. Ignores errors, such as a closed pipe.
fn say(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn say_error(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "orderbell: {text}");
}

/// Reads a password: typed twice on a terminal, or else the first line of standard input.
fn read_password() -> anyhow::Result<secrecy::SecretString> {
    use std::io::IsTerminal as _;
    if !std::io::stdin().is_terminal() {
        let mut line = String::new();
        std::io::stdin()
            .read_line(&mut line)
            .context("can't read the password from standard input")?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned().into());
    }
    let password = rpassword::prompt_password("Password: ")?;
    anyhow::ensure!(
        rpassword::prompt_password("Repeat the password: ")? == password,
        "the two passwords differ: run the command again"
    );
    Ok(password.into())
}
