//! Clients that send requests: threads with a connection each, in a process of their own.

use std::io::stdin;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use super::child::Child;
use super::event;
use super::histogram::{Histogram, Percentiles};
use super::http::{Connection, post};
use super::table::say;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) address: SocketAddr,
    pub(crate) clients: usize,
    /// Requests of all clients together.
    pub(crate) count: usize,
    /// How long each client waits between two requests.
    pub(crate) every_micros: u64,
    pub(crate) what: What,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum What {
    /// Place an order.
    Submit,
    /// Send this request, and have an answer of this status.
    Ask { request: String, status: u16 },
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Loaded {
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    pub(crate) latency: Percentiles,
}

/// The process of the clients.
pub(crate) struct Load(pub(crate) Child);

pub(crate) fn play() -> anyhow::Result<()> {
    for line in stdin().lines() {
        let job: Job = serde_json::from_str(&line?)?;
        say(&serde_json::to_string(&run(&job)?)?);
    }
    Ok(())
}

fn run(job: &Job) -> anyhow::Result<Loaded> {
    let connections = (0..job.clients)
        .map(|_| Connection::open(job.address))
        .collect::<Result<Vec<_>, _>>()?;
    let left = AtomicUsize::new(job.count);
    let started = Instant::now();
    let histograms = thread::scope(|scope| {
        let clients: Vec<_> = connections
            .into_iter()
            .map(|connection| scope.spawn(|| be_client(job, connection, &left)))
            .collect();
        clients
            .into_iter()
            .map(|client| {
                client
                    .join()
                    .unwrap_or_else(|_| anyhow::bail!("a client has panicked"))
            })
            .collect::<Result<Vec<_>, _>>()
    })?;
    let seconds = started.elapsed().as_secs_f64();
    let mut all = Histogram::new();
    for histogram in &histograms {
        all.add(histogram);
    }
    Ok(Loaded {
        requests: all.count(),
        seconds,
        latency: all.percentiles(),
    })
}

fn be_client(
    job: &Job,
    mut connection: Connection,
    left: &AtomicUsize,
) -> anyhow::Result<Histogram> {
    let mut histogram = Histogram::new();
    let take = |left: usize| left.checked_sub(1);
    while left
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
        .is_ok()
    {
        if job.every_micros > 0 {
            thread::sleep(Duration::from_micros(job.every_micros));
        }
        let started = Instant::now();
        let (answered, expected) = match &job.what {
            What::Submit => {
                let request = post("/api/order/submit", "", &event::submit_body());
                (connection.ask(&request)?, 200)
            }
            What::Ask { request, status } => (connection.ask(request)?, *status),
        };
        histogram.record(u64::try_from(started.elapsed().as_micros())?);
        ensure!(
            answered == expected,
            "status {answered}: {}",
            String::from_utf8_lossy(&connection.body)
        );
    }
    Ok(histogram)
}
