//! A window of 500 orders, told to 1,000 readers that come back at once, as after a restart.

mod common;

use std::process::ExitCode;
use std::time::Duration;

use common::child::Child;
use common::floor::REPLAY_VARIABLE;
use common::nchan::{Nchan, Publisher};
use common::options::{Options, Role};
use common::program::{Folder, Program};
use common::readers::{Opening, Order, Reading};
use common::server::{PlayedServer, Publishing, Server};
use common::table::{median, note, say};

const ORDERS: u32 = 500;
const READERS: usize = 1_000;
/// Before every order, and still within the window, which isn't full.
const BEGINNING: &str = "Last-Event-ID: 1-\r\n";

fn main() -> ExitCode {
    common::main(|options| {
        say("\n### replay, 500 orders to 1,000 readers at once\n");
        say(
            "| server | CPU s | all caught up after ms | deliveries/s | CPU s per million | p50 ms | p99 ms | memory MiB |",
        );
        say("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
        run(options, "floor", &|| {
            let environment = [(REPLAY_VARIABLE.to_owned(), "1".to_owned())];
            filled(PlayedServer::plain(Role::Floor, &environment)?)
        });
        if Nchan::is_installed() {
            run(options, "nchan", &|| {
                filled(Nchan::start(Publisher::AtOnce, "oldest", false)?)
            });
        }
        let folder = Folder::new()?;
        if options.wants_server("orderbell") {
            let mut before = Program::start(&folder)?;
            before.publish(Publishing::burst(ORDERS))?;
            before.stop()?;
        }
        run(options, "orderbell", &|| {
            Ok(Box::new(Program::start(&folder)?))
        });
        Ok(())
    })
}

fn filled(mut server: impl Server + 'static) -> anyhow::Result<Box<dyn Server>> {
    server.publish(Publishing::burst(ORDERS))?;
    Ok(Box::new(server))
}

struct Round {
    reading: Reading,
    cpu: Duration,
    memory: f64,
}

fn run(options: &Options, name: &str, start: &dyn Fn() -> anyhow::Result<Box<dyn Server>>) {
    if !options.wants_server(name) {
        return;
    }
    note(&format!("replay: {name}"));
    let count = options.readers(READERS);
    let rounds: anyhow::Result<Vec<_>> = (0..options.rounds())
        .map(|_| measure(&*start()?, count))
        .collect();
    match rounds {
        Ok(rounds) => row(name, &rounds),
        Err(error) => note(&format!("{name}: {error:#}")),
    }
}

fn measure(server: &dyn Server, count: usize) -> anyhow::Result<Round> {
    let mut readers = Child::play(Role::Readers, &[])?;
    let meter = server.meter()?;
    let before = meter.cpu()?;
    let reading: Reading = readers.ask(&Order::Replay {
        opening: Opening {
            address: server.address(),
            request: server.stream_request(BEGINNING),
            has_tls: false,
            count,
            wave: count,
        },
        events: ORDERS,
    })?;
    Ok(Round {
        reading,
        cpu: meter.cpu()? - before,
        memory: meter.resident_kib()? as f64 / 1_024.0,
    })
}

fn row(name: &str, rounds: &[Round]) {
    let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure));
    say(&format!(
        "| {name} | {:.3} | {:.0} | {:.0} | {:.3} | {:.1} | {:.1} | {:.1} |",
        of(|round| round.cpu.as_secs_f64()),
        of(|round| round.reading.seconds * 1e3),
        of(|round| round.reading.deliveries as f64 / round.reading.seconds),
        of(|round| round.cpu.as_secs_f64() * 1e6 / round.reading.deliveries as f64),
        of(|round| round.reading.latency.p50),
        of(|round| round.reading.latency.p99),
        of(|round| round.memory),
    ));
}
