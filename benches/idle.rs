//! What a reader costs while nothing happens: resident memory of 10,000 of them, also after some events.

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
use common::program::Folder;
use common::readers::{Opening, Order, Reading};
use common::server::{PlayedServer, Publishing, Server};
use common::table::{median, note, say};

const READERS: usize = 10_000;
/// Traffic before the second measurement.
const EVENTS: u32 = 30;
const EVERY: Duration = Duration::from_millis(500);
const PATIENCE_MS: u64 = 120_000;
const GZIP: &str = "Accept-Encoding: gzip\r\n";

fn main() -> ExitCode {
    common::main(|options| {
        say("\n### idle, 10,000 readers\n");
        say(
            "| server | memory before MiB | with readers MiB | each KiB | each after traffic KiB | CPU µs to take one |",
        );
        say("| --- | ---: | ---: | ---: | ---: | ---: |");
        let has_tls = options.tls;
        let floor = || -> anyhow::Result<Box<dyn Server>> {
            Ok(Box::new(PlayedServer::plain(Role::Floor, &[])?))
        };
        if !has_tls {
            run(options, "floor", "", &floor);
        }
        if Nchan::is_installed() {
            run(options, "nchan", "", &|| {
                Ok(Box::new(Nchan::start(
                    Publisher::AtOnce,
                    "newest",
                    has_tls,
                )?))
            });
        }
        let folder = Folder::new()?;
        let orderbell =
            || -> anyhow::Result<Box<dyn Server>> { Ok(Box::new(hub::start(&folder, has_tls)?)) };
        run(options, "orderbell", "", &orderbell);
        run(options, "orderbell, gzip", GZIP, &orderbell);
        Ok(())
    })
}

struct Idle {
    before: f64,
    after: f64,
    after_traffic: f64,
    cpu_micros: f64,
}

fn run(
    options: &Options,
    name: &str,
    headers: &str,
    start: &dyn Fn() -> anyhow::Result<Box<dyn Server>>,
) {
    if !options.wants_server(name) {
        return;
    }
    note(&format!("idle: {name}"));
    let readers = options.readers(READERS);
    let rounds: anyhow::Result<Vec<_>> = (0..options.rounds())
        // A new server each time: what was freed would be used again.
        .map(|_| measure(&mut *start()?, headers, readers, options.tls))
        .collect();
    match rounds {
        Ok(rounds) => {
            let of = |figure: fn(&Idle) -> f64| median(rounds.iter().map(figure));
            let (before, after) = (of(|idle| idle.before), of(|idle| idle.after));
            say(&format!(
                "| {name} | {:.1} | {:.1} | {:.2} | {:.2} | {:.0} |",
                before / 1_024.0,
                after / 1_024.0,
                (after - before) / readers as f64,
                (of(|idle| idle.after_traffic) - before) / readers as f64,
                of(|idle| idle.cpu_micros) / readers as f64,
            ));
        }
        Err(error) => note(&format!("{name}: {error:#}")),
    }
}

fn measure(
    server: &mut dyn Server,
    headers: &str,
    count: usize,
    has_tls: bool,
) -> anyhow::Result<Idle> {
    let mut readers = Child::play(Role::Readers, &[])?;
    let mut opening = Opening {
        address: server.address(),
        request: server.stream_request(headers),
        has_tls,
        count: 1,
        wave: 200,
    };
    // One stream before: what the first request sets up is not a reader's memory.
    let _: Reading = readers.ask(&Order::Open(opening.clone()))?;
    let meter = server.meter()?;
    let (before, cpu) = (meter.resident_kib()? as f64, meter.cpu()?);
    opening.count = count;
    let mut more = Child::play(Role::Readers, &[])?;
    let reading: Reading = more.ask(&Order::Open(opening))?;
    thread::sleep(Duration::from_millis(500));
    if !headers.is_empty()
        && !reading
            .head
            .to_lowercase()
            .contains("content-encoding: gzip")
    {
        note("  this server doesn't compress streams");
    }
    let after = meter.resident_kib()? as f64;
    let cpu_micros = (meter.cpu()? - cpu).as_secs_f64() * 1e6;
    // The readers find no events in compressed streams.
    if headers.is_empty() {
        let _: String = more.ask(&Order::Read {
            events: EVENTS,
            patience_ms: PATIENCE_MS,
        })?;
        server.publish(Publishing::steady(EVENTS, EVERY))?;
        let _: Reading = more.answer()?;
        thread::sleep(Duration::from_millis(500));
    }
    Ok(Idle {
        before,
        after,
        after_traffic: meter.resident_kib()? as f64,
        cpu_micros,
    })
}
