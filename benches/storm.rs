//! Thousands of readers that come all at once, and what those feel of it who are there already.

#![expect(
    clippy::disallowed_methods,
    reason = "waits for child processes: nothing else runs on this thread"
)]

mod common;

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use common::child::Child;
use common::histogram::Percentiles;
use common::hub;
use common::nchan::{Nchan, Publisher};
use common::options::{Options, Role};
use common::program::Folder;
use common::readers::{Opening, Order, Reading};
use common::server::{PlayedServer, Publishing, Server};
use common::table::{median, note, say};

/// Readers that are there already.
const THERE: usize = 100;
/// Readers that come.
const COMING: usize = 5_000;
/// A second of events; few enough that all can be told of them.
const EVENTS: u32 = 20;
const EVERY: Duration = Duration::from_millis(50);
/// When the others come.
const BEFORE: Duration = Duration::from_millis(200);
const PATIENCE_MS: u64 = 60_000;

fn main() -> ExitCode {
    common::main(|options| {
        say("\n### storm, 5,000 readers come at once upon 100 who get 20 events/s\n");
        say(
            "| server | calm p50 ms | calm p99 ms | calm max ms | storm p50 ms | storm p99 ms | storm max ms | \
             all there after ms |",
        );
        say("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
        let has_tls = options.tls;
        if !has_tls {
            run(options, "floor", &|| {
                Ok(Box::new(PlayedServer::plain(Role::Floor, &[])?))
            });
        }
        if Nchan::is_installed() {
            run(options, "nchan", &|| {
                Ok(Box::new(Nchan::start(
                    Publisher::AtOnce,
                    "newest",
                    has_tls,
                )?))
            });
        }
        let folder = Folder::new()?;
        run(options, "orderbell", &|| {
            Ok(Box::new(hub::start(&folder, has_tls)?))
        });
        Ok(())
    })
}

struct Round {
    calm: Percentiles,
    storm: Percentiles,
    all_there: f64,
}

fn run(options: &Options, name: &str, start: &dyn Fn() -> anyhow::Result<Box<dyn Server>>) {
    if !options.wants_server(name) {
        return;
    }
    note(&format!("storm: {name}"));
    let rounds: anyhow::Result<Vec<_>> = (0..options.rounds())
        .map(|_| measure(&mut *start()?, options.readers(COMING), options.tls))
        .collect();
    match rounds {
        Ok(rounds) => {
            let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure));
            say(&format!(
                "| {name} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.0} |",
                of(|round| round.calm.p50),
                of(|round| round.calm.p99),
                of(|round| round.calm.max),
                of(|round| round.storm.p50),
                of(|round| round.storm.p99),
                of(|round| round.storm.max),
                of(|round| round.all_there),
            ));
        }
        Err(error) => note(&format!("{name}: {error:#}")),
    }
}

fn measure(server: &mut dyn Server, coming: usize, has_tls: bool) -> anyhow::Result<Round> {
    let mut there = Child::play(Role::Readers, &[])?;
    let mut opening = Opening {
        address: server.address(),
        request: server.stream_request(""),
        has_tls,
        count: THERE,
        wave: THERE,
    };
    let _: Reading = there.ask(&Order::Open(opening.clone()))?;
    let events = Publishing::steady(EVENTS, EVERY);
    let reading = Order::Read {
        events: EVENTS,
        patience_ms: PATIENCE_MS,
    };
    // The first second warms up.
    let mut calm = Percentiles::default();
    for _ in 0..2 {
        let _: String = there.ask(&reading)?;
        server.publish(events)?;
        calm = there.answer::<Reading>()?.latency;
    }
    let mut others = Child::play(Role::Readers, &[])?;
    (opening.count, opening.wave) = (coming, coming);
    let _: String = there.ask(&reading)?;
    let storm = thread::spawn(move || -> anyhow::Result<(Child, Duration)> {
        thread::sleep(BEFORE);
        let started = Instant::now();
        let _: Reading = others.ask(&Order::Open(opening))?;
        Ok((others, started.elapsed()))
    });
    server.publish(events)?;
    let reading: Reading = there.answer()?;
    let (_others, all_there) = storm.join().ok().context("the storm has panicked")??;
    Ok(Round {
        calm,
        storm: reading.latency,
        all_there: all_there.as_secs_f64() * 1e3,
    })
}
