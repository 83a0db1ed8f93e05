//! The polling fallback: `recent` for pollers that know all already, and for those that don't.

mod common;

use std::process::ExitCode;

use anyhow::Context as _;
use common::http::Connection;
use common::hub;
use common::load::{Job, Load, What};
use common::options::Options;
use common::program::{Folder, TOKEN};
use common::server::{Publishing, Server, request};
use common::table::{median, note, say};

const CLIENTS: usize = 8;
const REQUESTS: usize = 50_000;
const PATH: &str = "/api/admin/orders/recent";

fn main() -> ExitCode {
    common::main(|options| {
        say("\n### poll\n");
        say("| work | requests/s | CPU µs per request | p50 ms | p99 ms | max ms | answer bytes |");
        say("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
        let folder = Folder::new()?;
        let mut server = hub::start(&folder, false)?;
        server.publish(Publishing::burst(500))?;
        let tag = tag(&server)?;
        let known = format!("If-None-Match: {tag}\r\n");
        let cursor = tag.trim_matches('"');
        poll(options, &server, "unchanged (304)", PATH, &known, 304)?;
        poll(options, &server, "changed, newest 10", PATH, "", 200)?;
        let since = format!("{PATH}?since={cursor}");
        server.publish(Publishing::burst(1))?;
        poll(
            options,
            &server,
            "changed, one order since",
            &since,
            "",
            200,
        )?;
        let all = format!("{PATH}?limit=500");
        poll(options, &server, "changed, newest 500", &all, "", 200)
    })
}

fn poll(
    options: &Options,
    server: &impl Server,
    name: &str,
    path: &str,
    headers: &str,
    status: u16,
) -> anyhow::Result<()> {
    if !options.wants_work(name) {
        return Ok(());
    }
    note(&format!("poll: {name}"));
    let request = request(path, Some(TOKEN), headers);
    let mut connection = Connection::open(server.address())?;
    connection.ask(&request)?;
    let bytes = connection.body.len();
    // Long answers are asked for less often, so that each round takes about as long.
    let count = REQUESTS / if options.quick { 10 } else { 1 } / (1 + bytes / 10_000);
    let mut load = Load::start()?;
    let meter = server.meter()?;
    let mut rounds = Vec::new();
    for _ in 0..options.rounds() {
        let before = meter.cpu()?;
        let loaded = load.run(&Job {
            address: server.address(),
            clients: CLIENTS,
            count,
            every_micros: 0,
            what: What::Ask {
                request: request.clone(),
                status,
            },
        })?;
        rounds.push((loaded, (meter.cpu()? - before).as_secs_f64()));
    }
    say(&format!(
        "| {name} | {:.0} | {:.1} | {:.2} | {:.2} | {:.2} | {bytes} |",
        median(rounds.iter().map(|(l, _)| l.requests as f64 / l.seconds)),
        median(rounds.iter().map(|(l, cpu)| cpu * 1e6 / l.requests as f64)),
        median(rounds.iter().map(|(l, _)| l.latency.p50)),
        median(rounds.iter().map(|(l, _)| l.latency.p99)),
        median(rounds.iter().map(|(l, _)| l.latency.max)),
    ));
    Ok(())
}

/// The entity tag of the newest orders, which is the cursor in quotes.
fn tag(server: &impl Server) -> anyhow::Result<String> {
    let mut connection = Connection::open(server.address())?;
    connection.ask(&request(PATH, Some(TOKEN), ""))?;
    let body: serde_json::Value = serde_json::from_slice(&connection.body)?;
    let cursor = body["cursor"].as_str().context("an answer has a cursor")?;
    Ok(format!("\"{cursor}\""))
}
