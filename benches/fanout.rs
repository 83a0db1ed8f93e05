//! Events to many readers: bursts that come all at once, and a steady trickle.

#![expect(
    clippy::disallowed_methods,
    reason = "waits for child processes: nothing else runs on this thread"
)]

mod common;

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use common::child::Child;
use common::hub;
use common::nchan::{Nchan, Publisher};
use common::options::{Options, Role};
use common::program::{Folder, Program};
use common::readers::{Opening, Order, Reading};
use common::server::{PlayedServer, Publishing, Server};
use common::table::{Round, deliveries_head, deliveries_row, note};

/// How long a round may take until all have everything.
const PATIENCE_MS: u64 = 60_000;

struct Work {
    name: &'static str,
    readers: usize,
    publishing: Publishing,
}

fn main() -> ExitCode {
    common::main(|options| {
        let steady = if options.quick { 10 } else { 50 };
        let works = [
            (
                "burst, 100 readers x 1,000 events",
                100,
                Publishing::burst(1_000),
            ),
            (
                "burst, 1,000 readers x 200 events",
                1_000,
                Publishing::burst(200),
            ),
            (
                "burst, 10,000 readers x 20 events",
                10_000,
                Publishing::burst(20),
            ),
            (
                "steady, 1,000 readers, 10 events/s",
                1_000,
                Publishing::steady(steady, Duration::from_millis(100)),
            ),
        ];
        for (name, readers, publishing) in works {
            if options.wants_work(name) {
                let readers = options.readers(readers);
                compare(
                    options,
                    &Work {
                        name,
                        readers,
                        publishing,
                    },
                )?;
            }
        }
        Ok(())
    })
}

fn compare(options: &Options, work: &Work) -> anyhow::Result<()> {
    deliveries_head(work.name);
    let run = |name: &str, start: &dyn Fn() -> anyhow::Result<Box<dyn Server>>| {
        if options.wants_server(name) {
            note(&format!("{}: {name}", work.name));
            // One server that fails doesn't hide what the others show.
            match start().and_then(|mut server| measure(options, work, &mut *server)) {
                Ok(rounds) => deliveries_row(name, &rounds),
                Err(error) => note(&format!("{name}: {error:#}")),
            }
        }
    };
    let floor =
        |role| -> anyhow::Result<Box<dyn Server>> { Ok(Box::new(PlayedServer::plain(role, &[])?)) };
    let has_tls = options.tls;
    if !has_tls {
        run("floor", &|| floor(Role::Floor));
        run("floor, 1 ms of coalescing", &|| {
            floor(Role::CoalescingFloor)
        });
    }
    if Nchan::is_installed() {
        run("nchan", &|| {
            Ok(Box::new(Nchan::start(
                Publisher::AtOnce,
                "newest",
                has_tls,
            )?))
        });
        if work.publishing.every_micros == 0 {
            run("nchan, published one by one", &|| {
                Ok(Box::new(Nchan::start(
                    Publisher::OneByOne,
                    "newest",
                    has_tls,
                )?))
            });
        }
    } else {
        note("nginx with nchan is not installed");
    }
    let folder = Folder::new()?;
    run("orderbell, hub only", &|| {
        Ok(Box::new(hub::start(&folder, has_tls)?))
    });
    if has_tls {
        // The customers of the whole program speak plain HTTP.
        return Ok(());
    }
    let folder = Folder::new()?;
    run("orderbell, end to end", &|| {
        Ok(Box::new(Program::start(&folder)?))
    });
    Ok(())
}

fn measure(options: &Options, work: &Work, server: &mut dyn Server) -> anyhow::Result<Vec<Round>> {
    let mut readers = Child::play(Role::Readers, &[])?;
    let _: Reading = readers.ask(&Order::Open(Opening {
        address: server.address(),
        request: server.stream_request(""),
        has_tls: options.tls,
        count: work.readers,
        wave: 200,
    }))?;
    // The first round warms up.
    let rounds = (0..=options.rounds()).map(|_| round(work, server, &mut readers));
    rounds.skip(1).collect()
}

fn round(work: &Work, server: &mut dyn Server, readers: &mut Child) -> anyhow::Result<Round> {
    thread::sleep(Duration::from_millis(200));
    let _: String = readers.ask(&Order::Read {
        events: work.publishing.count,
        patience_ms: PATIENCE_MS,
    })?;
    let meter = server.meter()?;
    let before = meter.cpu()?;
    server.publish(work.publishing)?;
    let reading: Reading = readers.answer()?;
    let cpu = meter.cpu()? - before;
    Ok(Round {
        rate: reading.deliveries as f64 / reading.seconds,
        cpu: cpu.as_secs_f64() * 1e6 / reading.deliveries as f64,
        latency: reading.latency,
        memory: meter.resident_kib()? as f64 / 1_024.0,
    })
}
