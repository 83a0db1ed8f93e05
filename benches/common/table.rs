use std::io::Write as _;

use super::histogram::Percentiles;

/// Writes a line to standard output; a reader that has gone away is no error of ours.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Writes a line for whoever watches, beside the tables.
pub(crate) fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// What one round of deliveries has shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    /// Deliveries in a second.
    pub(crate) rate: f64,
    /// CPU seconds of the server for a million deliveries.
    pub(crate) cpu: f64,
    /// Milliseconds.
    pub(crate) latency: Percentiles,
    /// Resident memory of the server in MiB.
    pub(crate) memory: f64,
}

/// The head of a table of deliveries.
pub(crate) fn deliveries_head(work: &str) {
    say(&format!(
        "\n### {work}\n\n| server | deliveries/s | CPU s per million | p50 ms | p99 ms | max ms | memory MiB |"
    ));
    say("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
}

/// A line of it: the medians of the rounds.
pub(crate) fn deliveries_row(name: &str, rounds: &[Round]) {
    let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure));
    say(&format!(
        "| {name} | {:.0} | {:.3} | {:.2} | {:.2} | {:.2} | {:.1} |",
        of(|round| round.rate),
        of(|round| round.cpu),
        of(|round| round.latency.p50),
        of(|round| round.latency.p99),
        of(|round| round.latency.max),
        of(|round| round.memory),
    ));
}

/// The middle of the values; of an even number, the upper of the two in the middle.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
