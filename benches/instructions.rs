//! Instructions that the server executes for one event, replay, submit, poll and page, counted by valgrind's callgrind.
//!
//! Unlike times, the counts hardly depend on the machine and on what else it does. Not counted: the kernel's work, and what
//! memory costs. Each case runs twice, each time in a new server, with few and with many repetitions: the difference of the
//! two counts has no start-up in it.

mod common;

use std::fs::{self, File};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, ensure};
use common::child::Child;
use common::http::Connection;
use common::load::{Job, Load, What};
use common::options::{Options, Role};
use common::program::{self, Folder, PASSWORD, TOKEN};
use common::readers::{Opening, Order, Reading};
use common::server::{PlayedServer, Publishing, Server as _, request};
use common::table::{note, say};

const ORDERS: u32 = 500;
const READERS: usize = 1_000;
const PATIENCE_MS: u64 = 60_000;

struct Case {
    name: &'static str,
    few: u32,
    many: u32,
    /// Does what is counted so many times.
    run: fn(&mut PlayedServer, u32) -> anyhow::Result<()>,
}

const CASES: [Case; 7] = [
    Case {
        name: "event without readers",
        few: 200,
        many: 1_200,
        run: |server, count| server.publish(Publishing::burst(count)),
    },
    Case {
        name: "event to 1,000 readers",
        few: 5,
        many: 25,
        run: deliver,
    },
    Case {
        name: "replay of 500 orders",
        few: 10,
        many: 60,
        run: replay,
    },
    Case {
        name: "submit, embedded store",
        few: 50,
        many: 250,
        run: |server, count| load(server, count, What::Submit),
    },
    Case {
        name: "poll, unchanged (304)",
        few: 50,
        many: 550,
        run: |server, count| {
            server.publish(Publishing::burst(ORDERS))?;
            let tag = recent(server)?;
            poll(server, count, &format!("If-None-Match: \"{tag}\"\r\n"), 304)
        },
    },
    Case {
        name: "poll, newest 10",
        few: 50,
        many: 550,
        run: |server, count| {
            server.publish(Publishing::burst(ORDERS))?;
            poll(server, count, "", 200)
        },
    },
    Case {
        name: "page of 500 orders",
        few: 2,
        many: 12,
        run: page,
    },
];

fn main() -> ExitCode {
    common::main(|options| {
        say("\n### instructions\n");
        say("| work | thousands of instructions |");
        say("| --- | ---: |");
        for case in CASES.iter().filter(|case| options.wants_work(case.name)) {
            note(&format!("instructions: {}", case.name));
            match per_repetition(options, case) {
                Ok(count) => say(&format!("| {} | {:.1} |", case.name, count / 1e3)),
                Err(error) => note(&format!("{}: {error:#}", case.name)),
            }
        }
        Ok(())
    })
}

fn per_repetition(options: &Options, case: &Case) -> anyhow::Result<f64> {
    let many = if options.quick {
        case.few + (case.many - case.few).div_ceil(10)
    } else {
        case.many
    };
    let difference = counted(case, many)?.saturating_sub(counted(case, case.few)?);
    Ok(difference as f64 / f64::from(many - case.few))
}

/// Instructions of a whole run of the server.
fn counted(case: &Case, repetitions: u32) -> anyhow::Result<u64> {
    let folder = Folder::new()?;
    let log = folder.path().join("server.log");
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?);
    let environment = program::environment(&folder);
    let child = Child::play_under(
        valgrind,
        Role::Hub,
        &environment,
        File::create(&log)?.into(),
    )?;
    let mut server = PlayedServer::of(child, Some(TOKEN))?;
    (case.run)(&mut server, repetitions)?;
    server.finish()?;
    let log = fs::read_to_string(log)?;
    let total = log
        .lines()
        .find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    total.context("valgrind tells no count")
}

/// Publishes one event after the other; all readers have each before the next one is made.
fn deliver(server: &mut PlayedServer, count: u32) -> anyhow::Result<()> {
    let mut readers = Child::play(Role::Readers, &[])?;
    let _: Reading = readers.ask(&Order::Open(opening(server, READERS, "")))?;
    for _ in 0..count {
        let _: String = readers.ask(&Order::Read {
            events: 1,
            patience_ms: PATIENCE_MS,
        })?;
        server.publish(Publishing::burst(1))?;
        let _: Reading = readers.answer()?;
    }
    Ok(())
}

/// Readers that come one after the other, each with a cursor from before all orders.
fn replay(server: &mut PlayedServer, count: u32) -> anyhow::Result<()> {
    server.publish(Publishing::burst(ORDERS))?;
    let mut readers = Child::play(Role::Readers, &[])?;
    let _: Reading = readers.ask(&Order::Replay {
        opening: opening(server, count as usize, "Last-Event-ID: 1-\r\n"),
        events: ORDERS,
    })?;
    Ok(())
}

fn opening(server: &PlayedServer, count: usize, headers: &str) -> Opening {
    Opening {
        address: server.address(),
        request: server.stream_request(headers),
        count,
        wave: 1,
        has_tls: false,
    }
}

fn load(server: &PlayedServer, count: u32, what: What) -> anyhow::Result<()> {
    let job = Job {
        address: server.address(),
        clients: 1,
        count: count as usize,
        every_micros: 0,
        what,
    };
    Load::start()?.run(&job).map(drop)
}

fn poll(server: &PlayedServer, count: u32, headers: &str, status: u16) -> anyhow::Result<()> {
    let request = request("/api/admin/orders/recent", Some(TOKEN), headers);
    load(server, count, What::Ask { request, status })
}

/// The cursor of the newest order.
fn recent(server: &PlayedServer) -> anyhow::Result<String> {
    let mut connection = Connection::open(server.address())?;
    connection.ask(&request("/api/admin/orders/recent", Some(TOKEN), ""))?;
    let body: serde_json::Value = serde_json::from_slice(&connection.body)?;
    let cursor = body["cursor"].as_str().context("an answer has a cursor")?;
    Ok(cursor.to_owned())
}

/// Signs in, and asks for the desk's page.
fn page(server: &mut PlayedServer, count: u32) -> anyhow::Result<()> {
    server.publish(Publishing::burst(ORDERS))?;
    let mut connection = Connection::open(server.address())?;
    let form = format!(
        "email=bench%40shop.example&password={}",
        PASSWORD.replace(' ', "+")
    );
    let status = connection.ask(&format!(
        "POST /login HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    ))?;
    ensure!(status == 303, "the sign-in is answered with {status}");
    let cookies = format!("Cookie: {}\r\n", connection.cookies);
    let request = request("/", None, &cookies);
    load(
        server,
        count,
        What::Ask {
            request,
            status: 200,
        },
    )
}
