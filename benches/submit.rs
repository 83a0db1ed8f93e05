//! Placing orders: how many in a second, and how soon a reader has them.

mod common;

use std::fs::File;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use common::child::Child;
use common::options::{Options, Role};
use common::program::{Folder, Program};
use common::readers::{Opening, Order, Reading};
use common::server::{Publishing, Server as _};
use common::table::{median, note, say};

/// Paced so that the commit of one order is over before the next comes.
const ARRIVAL_PACE: Duration = Duration::from_millis(25);

fn main() -> ExitCode {
    common::main(|options| {
        placing(options)?;
        arriving(options)
    })
}

/// Submits as fast as the clients can.
fn placing(options: &Options) -> anyhow::Result<()> {
    say("\n### submit\n");
    say("| clients | submits/s | p50 ms | p99 ms | max ms | CPU ms per submit |");
    say("| --- | ---: | ---: | ---: | ---: | ---: |");
    say(&format!(
        "| (for comparison: 1 KiB appended to a growing file, fdatasync, one after the other) | {:.0} | | | | |",
        syncs_per_second()?
    ));
    let folder = Folder::new()?;
    let mut program = Program::start(&folder)?;
    let meter = program.meter()?;
    for (clients, count) in [(1, 1_000), (32, 10_000)] {
        note(&format!("submit: {clients} clients"));
        let count = if options.quick { count / 10 } else { count };
        let mut rounds = Vec::new();
        for _ in 0..options.rounds() {
            let before = meter.cpu()?;
            let loaded = program.submit(clients, Publishing::burst(count))?;
            rounds.push((loaded, (meter.cpu()? - before).as_secs_f64()));
        }
        say(&format!(
            "| {clients} | {:.0} | {:.2} | {:.2} | {:.2} | {:.3} |",
            median(rounds.iter().map(|(l, _)| l.requests as f64 / l.seconds)),
            median(rounds.iter().map(|(l, _)| l.latency.p50)),
            median(rounds.iter().map(|(l, _)| l.latency.p99)),
            median(rounds.iter().map(|(l, _)| l.latency.max)),
            median(rounds.iter().map(|(l, cpu)| cpu * 1e3 / l.requests as f64)),
        ));
    }
    Ok(())
}

/// One customer places an order now and then; readers tell when it has arrived.
fn arriving(options: &Options) -> anyhow::Result<()> {
    say("\n### from submit to arrival\n");
    say("| readers | p50 ms | p99 ms | max ms |");
    say("| --- | ---: | ---: | ---: |");
    for count in [1, 1_000] {
        note(&format!("submit to arrival: {count} readers"));
        let folder = Folder::new()?;
        let mut program = Program::start(&folder)?;
        let mut readers = Child::play(Role::Readers, &[])?;
        let _: Reading = readers.ask(&Order::Open(Opening {
            address: program.address(),
            request: program.stream_request(""),
            has_tls: false,
            count: if count == 1 {
                1
            } else {
                options.readers(count)
            },
            wave: 200,
        }))?;
        let events = if options.quick { 20 } else { 200 };
        let mut rounds = Vec::new();
        for _ in 0..options.rounds() {
            let _: String = readers.ask(&Order::Read {
                events,
                patience_ms: 60_000,
            })?;
            program.publish(Publishing::steady(events, ARRIVAL_PACE))?;
            let reading: Reading = readers.answer()?;
            rounds.push(reading.latency);
        }
        say(&format!(
            "| {count} | {:.2} | {:.2} | {:.2} |",
            median(rounds.iter().map(|latency| latency.p50)),
            median(rounds.iter().map(|latency| latency.p99)),
            median(rounds.iter().map(|latency| latency.max)),
        ));
    }
    Ok(())
}

/// Not a bound: a file that grows has its size written as well, a log that is used again hasn't.
fn syncs_per_second() -> anyhow::Result<f64> {
    let folder = Folder::new()?;
    let mut file = File::create(folder.path().join("syncs"))?;
    let (started, mut syncs) = (Instant::now(), 0_u32);
    while started.elapsed() < Duration::from_secs(1) {
        file.write_all(&[0; 1_024])?;
        file.sync_data()?;
        syncs += 1;
    }
    Ok(f64::from(syncs) / started.elapsed().as_secs_f64())
}
