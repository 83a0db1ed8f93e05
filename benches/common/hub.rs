//! orderbell without its store's part: the same service in a process of its own, whose hub takes snapshots made here.

use std::fs::File;
use std::io::{BufRead as _, stdin};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use orderbell::app::App;
use orderbell::clock::Clock;
use orderbell::hub::Hub;
use orderbell::orders::{Change, Snapshot, WatchEvent};
use orderbell::settings::Settings;
use orderbell::telemetry;
use tokio_util::sync::CancellationToken;

use super::event::{self, now_micros};
use super::options::Role;
use super::program::{self, Folder};
use super::server::{PlayedServer, Publishing};
use super::table::say;
use super::tls::Certificate;

/// Starts it; the folder is its store's.
pub(crate) fn start(folder: &Folder, has_tls: bool) -> anyhow::Result<PlayedServer> {
    let mut environment = program::environment(folder);
    if has_tls {
        environment.extend(Certificate::write(folder.path())?.environment());
    }
    let log = File::create(folder.path().join("server.log"))?;
    PlayedServer::start(Role::Hub, &environment, Some(program::TOKEN), log.into())
}

pub(crate) fn play() -> anyhow::Result<()> {
    let settings = Settings::load(None, &Settings::environment())?;
    telemetry::init(&settings.log);
    // As the program has it: one thread beside the workers.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let app = App::build(settings, Clock::system()).await?;
        say(&serde_json::to_string(&app.address())?);
        let hub = Arc::clone(app.hub());
        let shutdown = CancellationToken::new();
        let until = shutdown.clone();
        thread::spawn(move || {
            let result = publish_as_told(&hub);
            until.cancel();
            result
        });
        app.run(shutdown).await
    })
}

fn publish_as_told(hub: &Hub) -> anyhow::Result<()> {
    let mut number = 0;
    let mut committed = 0;
    for line in stdin().lock().lines() {
        let publishing: Publishing = serde_json::from_str(&line?)?;
        let started = Instant::now();
        for index in 0..publishing.count {
            publishing.wait(started, index);
            number += 1;
            committed = now_micros().max(committed + 1);
            hub.take(WatchEvent::Snapshot(Snapshot {
                changes: vec![Change::Upsert(event::order(number, committed))],
                ..Snapshot::default()
            }));
        }
        say("null");
    }
    Ok(())
}
