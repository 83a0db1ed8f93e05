use clap::{Parser, ValueEnum};

/// What the benchmarks can be told: `cargo bench --bench NAME -- OPTIONS`.
#[derive(Parser)]
pub(crate) struct Options {
    /// How often each figure is measured; the table shows the medians.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// A tenth of the readers, one round: to see whether everything works.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only servers whose name contains this text.
    #[arg(long)]
    server: Option<String>,
    /// Only work whose name contains this text.
    #[arg(long)]
    work: Option<String>,
    /// Streams over TLS: `fanout`, `idle` and `storm` then measure the servers that speak it.
    #[arg(long)]
    pub(crate) tls: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
    /// The part that this process plays.
    #[arg(long, hide = true)]
    pub(crate) role: Option<Role>,
}

/// The parts that a child process can play.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Role {
    Readers,
    Load,
    Hub,
    Floor,
    CoalescingFloor,
}

impl Options {
    pub(crate) fn rounds(&self) -> usize {
        if self.quick { 1 } else { self.rounds.max(1) }
    }

    /// A number of readers: a tenth of them when it has to be quick.
    pub(crate) fn readers(&self, readers: usize) -> usize {
        if self.quick {
            readers.div_ceil(10)
        } else {
            readers
        }
    }

    pub(crate) fn wants_server(&self, name: &str) -> bool {
        self.server.as_ref().is_none_or(|part| name.contains(part))
    }

    pub(crate) fn wants_work(&self, name: &str) -> bool {
        self.work.as_ref().is_none_or(|part| name.contains(part))
    }
}
