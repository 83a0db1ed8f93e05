//! The listener as a state machine: a function of messages and time.

use std::time::Duration;

use firestore::gcloud_sdk::google::firestore::v1::listen_response::ResponseType;
use firestore::gcloud_sdk::google::firestore::v1::target_change::TargetChangeType;
use firestore::gcloud_sdk::google::firestore::v1::{ListenResponse, TargetChange};
use firestore::gcloud_sdk::tonic::Code;
use tokio::time::Instant;

use super::super::backoff::{self, Backoff};
use super::super::fault::{Fault, FaultKind};
use super::super::value;
use super::TARGETS;
use super::contents::{Contents, Fate, Missing, Name};
use super::staging::bit;
use crate::orders::{Change, Snapshot, SourceState, WatchEvent};

/// Maximum time for the server to accept a stream.
const OPENING: Duration = Duration::from_secs(15);
/// Grace period before a lost stream is reported; a failed attempt to reopen it ends the period.
const GRACE: Duration = Duration::from_secs(10);
/// A stream that lasts this long was healthy: its end resets the backoff.
const HEALTHY: Duration = Duration::from_secs(10);
/// Pause after a fault that only an operator can fix.
const PERMANENT_PAUSE: Duration = Duration::from_secs(300);
/// Minimum time between two repeated deliveries of all open orders.
const REPEAT_PAUSE: Duration = Duration::from_secs(600);
/// Minimum time between two mismatches for the second to start over without backoff.
const MISMATCH_PAUSE: Duration = Duration::from_secs(60);

/// An event for the listener.
#[derive(Debug)]
pub(super) enum Input {
    /// The server has accepted the stream.
    Opened,
    /// A message from the server.
    Message(Box<ListenResponse>),
    /// The stream, or the attempt to open it, has failed.
    Failed(Fault),
    /// The stream has ended without an error.
    Ended,
    /// The result of looking up an order that has left the targets.
    Resolved(Name, Fate),
    /// Deliver all open orders again: the hub left some out earlier and has room now.
    Repeat,
    /// The time of [`Machine::deadline`] has come.
    Tick,
}

/// An action for the loop.
#[derive(Debug)]
pub(super) enum Output {
    /// Pass the event to the watch's sink.
    Emit(WatchEvent),
    /// Drop the stream, if there is one, and open another; over a new connection if `rebuild` is set.
    Open {
        rebuild: bool,
        tokens: [Vec<u8>; TARGETS],
        counts: [usize; TARGETS],
    },
    /// Drop the stream.
    Close,
    /// Look up why these orders have left the targets.
    Resolve(Vec<Missing>),
    /// Number of documents that were billed.
    Billed(u64),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    Opening { since: Instant },
    Open { since: Instant, heard: Instant },
    Waiting { until: Instant },
}

/// The listener's state, without sockets and clocks.
pub(super) struct Machine {
    contents: Contents,
    phase: Phase,
    rebuild: bool,
    backoff: Backoff,
    chance: Box<dyn FnMut() -> f64 + Send>,
    use_tokens: bool,
    silence: Duration,
    /// Resume tokens of the last consistent snapshot; empty where there is none.
    tokens: [Vec<u8>; TARGETS],
    staged_tokens: [Vec<u8>; TARGETS],
    resumed: bool,
    /// Whether a refused token was answered by a retry without tokens, since the last snapshot.
    refused: bool,
    current: [bool; TARGETS],
    started: bool,
    /// Whether the next snapshot also delivers all open orders, changed or not.
    repeats: bool,
    repeated_at: Option<Instant>,
    read_micros: u64,
    mismatch: Option<Instant>,
    /// When and why the stream was lost, while the outage isn't reported yet.
    lost: Option<(Instant, String)>,
    source: Option<SourceState>,
}

impl Machine {
    /// A listener that opens its first stream at `now`. `chance` returns random numbers between 0 and 1.
    pub(super) fn new(
        contents: Contents,
        use_tokens: bool,
        silence: Duration,
        chance: impl FnMut() -> f64 + Send + 'static,
        now: Instant,
    ) -> Self {
        Self {
            contents,
            phase: Phase::Waiting { until: now },
            rebuild: true,
            backoff: Backoff::default(),
            chance: Box::new(chance),
            use_tokens,
            silence,
            tokens: Default::default(),
            staged_tokens: Default::default(),
            resumed: false,
            refused: false,
            current: [false; TARGETS],
            started: false,
            repeats: false,
            repeated_at: None,
            read_micros: 0,
            mismatch: None,
            lost: None,
            source: None,
        }
    }

    /// When the next [`Input::Tick`] is due.
    pub(super) fn deadline(&self) -> Instant {
        let phase = match self.phase {
            Phase::Opening { since } => since + OPENING,
            Phase::Open { heard, .. } => heard + self.silence,
            Phase::Waiting { until } => until,
        };
        match &self.lost {
            Some((since, _)) => phase.min(*since + GRACE),
            None => phase,
        }
    }

    /// Number of documents that can't be read as orders.
    pub(super) fn unreadable(&self) -> usize {
        self.contents.unreadable()
    }

    /// Takes one input, and returns what to do.
    pub(super) fn handle(&mut self, now: Instant, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        match input {
            Input::Opened => self.opened(now),
            Input::Message(message) => {
                if let Phase::Open { heard, .. } = &mut self.phase {
                    *heard = now;
                    self.message(now, *message, &mut out);
                }
            }
            Input::Failed(fault) => self.fail(now, fault, &mut out),
            Input::Ended => self.fail(
                now,
                Fault::transient("Firestore has ended the stream"),
                &mut out,
            ),
            Input::Resolved(name, fate) => {
                let outcome = self.contents.resolve(&name, fate, self.read_micros);
                publish(outcome.changes, &mut out);
                if !outcome.suspects.is_empty() {
                    out.push(Output::Resolve(outcome.suspects));
                }
            }
            Input::Repeat => self.repeat(now, &mut out),
            Input::Tick => self.tick(now, &mut out),
        }
        out
    }

    fn opened(&mut self, now: Instant) {
        self.phase = Phase::Open {
            since: now,
            heard: now,
        };
    }

    fn tick(&mut self, now: Instant, out: &mut Vec<Output>) {
        if let Some((since, reason)) = &self.lost
            && *since + GRACE <= now
        {
            let reason = reason.clone();
            self.away(reason, out);
        }
        match self.phase {
            Phase::Opening { since } if since + OPENING <= now => {
                self.rebuild = true;
                self.fail(now, Fault::transient("Firestore doesn't answer"), out);
            }
            Phase::Open { heard, .. } if heard + self.silence <= now => {
                self.rebuild = true;
                self.fail(now, Fault::transient("Firestore has fallen silent"), out);
            }
            Phase::Waiting { until } if until <= now => self.open(now, out),
            _ => {}
        }
    }

    fn open(&mut self, now: Instant, out: &mut Vec<Output>) {
        self.phase = Phase::Opening { since: now };
        self.current = [false; TARGETS];
        self.staged_tokens = Default::default();
        self.resumed = self.tokens.iter().any(|token| !token.is_empty());
        self.contents
            .staging()
            .begin(std::array::from_fn(|target| self.tokens[target].is_empty()));
        out.push(Output::Open {
            rebuild: std::mem::take(&mut self.rebuild),
            tokens: self.tokens.clone(),
            counts: std::array::from_fn(|target| self.contents.len(target)),
        });
    }

    /// Reads all contents again. That costs a read per document, so it is done once per `REPEAT_PAUSE` at most.
    fn repeat(&mut self, now: Instant, out: &mut Vec<Output>) {
        let is_due = self
            .repeated_at
            .is_none_or(|last| now >= last + REPEAT_PAUSE);
        if is_due && matches!(self.phase, Phase::Open { .. }) && self.current == [true; TARGETS] {
            self.repeated_at = Some(now);
            self.repeats = true;
            self.tokens = Default::default();
            self.backoff.reset();
            self.fail(
                now,
                Fault::transient("open orders that were left out are asked for again"),
                out,
            );
        }
    }

    fn message(&mut self, now: Instant, message: ListenResponse, out: &mut Vec<Output>) {
        match message.response_type {
            Some(ResponseType::TargetChange(change)) => self.target_change(now, change, out),
            Some(ResponseType::DocumentChange(change)) => {
                let (join, leave) = (mask(&change.target_ids), mask(&change.removed_target_ids));
                if let Some(document) = change.document {
                    let billed = self.contents.upsert(&document, join, leave);
                    if billed > 0 {
                        out.push(Output::Billed(billed.into()));
                    }
                }
            }
            Some(ResponseType::DocumentDelete(delete)) => {
                self.contents.staging().gone(
                    &delete.document,
                    mask(&delete.removed_target_ids),
                    true,
                );
            }
            Some(ResponseType::DocumentRemove(remove)) => {
                out.push(Output::Billed(1));
                self.contents.staging().gone(
                    &remove.document,
                    mask(&remove.removed_target_ids),
                    false,
                );
            }
            Some(ResponseType::Filter(filter)) => {
                if let (Some(target), Ok(count)) =
                    (index(filter.target_id), usize::try_from(filter.count))
                {
                    self.contents.staging().set_count(target, count);
                }
            }
            None => {}
        }
    }

    fn target_change(&mut self, now: Instant, change: TargetChange, out: &mut Vec<Output>) {
        let targets: Vec<usize> = if change.target_ids.is_empty() {
            (0..TARGETS).collect()
        } else {
            change
                .target_ids
                .iter()
                .filter_map(|id| index(*id))
                .collect()
        };
        let kind = change.target_change_type();
        if kind != TargetChangeType::Reset && !change.resume_token.is_empty() {
            for target in &targets {
                self.staged_tokens[*target].clone_from(&change.resume_token);
            }
        }
        match kind {
            TargetChangeType::NoChange => {
                if let (true, Some(time)) = (change.target_ids.is_empty(), &change.read_time) {
                    self.consistent(now, value::micros(time), out);
                }
            }
            TargetChangeType::Add => {}
            TargetChangeType::Current => {
                for target in targets {
                    self.current[target] = true;
                }
            }
            TargetChangeType::Reset => {
                for target in targets {
                    self.current[target] = false;
                    self.tokens[target].clear();
                    self.staged_tokens[target].clear();
                    self.contents.staging().reset(target);
                }
            }
            TargetChangeType::Remove => {
                let fault = match change.cause {
                    Some(cause) => Fault::from_code(Code::from_i32(cause.code), &cause.message),
                    None => Fault::transient("Firestore has dropped the query"),
                };
                self.fail(now, fault, out);
            }
        }
    }

    /// Commits a snapshot if all targets are current: together they then show the database at `read_micros`.
    fn consistent(&mut self, now: Instant, read_micros: u64, out: &mut Vec<Output>) {
        if self.current != [true; TARGETS] {
            return;
        }
        let Some(outcome) = self.contents.commit(read_micros, self.repeats) else {
            return self.mismatched(now, out);
        };
        self.read_micros = read_micros;
        let initial = !std::mem::replace(&mut self.started, true);
        if initial || !outcome.changes.is_empty() {
            out.push(Output::Emit(WatchEvent::Snapshot(Snapshot {
                changes: outcome.changes,
                initial,
                // Orders that the hub leaves out itself are not known here.
                hidden_open: outcome.has_hidden_open.then_some(1),
                has_gap: outcome.has_gap && !initial,
                ..Snapshot::default()
            })));
        }
        if std::mem::take(&mut self.repeats) {
            out.push(Output::Emit(WatchEvent::Snapshot(Snapshot {
                changes: outcome.repeats,
                repeats: true,
                hidden_open: Some(outcome.has_hidden_open.into()),
                ..Snapshot::default()
            })));
        }
        if !outcome.suspects.is_empty() {
            out.push(Output::Resolve(outcome.suspects));
        }
        if self.use_tokens {
            // Only now: resuming from a token kept before its snapshot was emitted would skip the changes in it.
            for (kept, staged) in self.tokens.iter_mut().zip(&mut self.staged_tokens) {
                if !staged.is_empty() {
                    *kept = std::mem::take(staged);
                }
            }
        }
        self.refused = false;
        self.lost = None;
        self.report(SourceState::Live, out);
    }

    /// The server's count of documents differs from ours: a change was missed. Starts over without resume tokens.
    fn mismatched(&mut self, now: Instant, out: &mut Vec<Output>) {
        tracing::warn!("Firestore counts other documents than the listener holds; it starts over");
        self.tokens = Default::default();
        let again = self
            .mismatch
            .is_some_and(|last| now < last + MISMATCH_PAUSE);
        self.mismatch = Some(now);
        if !again {
            self.backoff.reset();
        }
        self.fail(
            now,
            Fault::transient("the listener's contents didn't match Firestore's"),
            out,
        );
    }

    fn fail(&mut self, now: Instant, fault: Fault, out: &mut Vec<Output>) {
        if let Phase::Waiting { .. } = self.phase {
            return;
        }
        let was_open = matches!(self.phase, Phase::Open { .. });
        if let Phase::Open { since, .. } = self.phase
            && since + HEALTHY <= now
            && self.current == [true; TARGETS]
        {
            self.backoff.reset();
        }
        tracing::info!(reason = fault.message, "the listener has lost its stream");
        self.contents.staging().begin([true; TARGETS]);
        self.current = [false; TARGETS];
        out.push(Output::Close);
        let pause = match fault.kind {
            FaultKind::Rejected if self.resumed && !self.refused => {
                // Most likely the token is too old, or belongs to a different query.
                self.refused = true;
                self.tokens = Default::default();
                Duration::ZERO
            }
            FaultKind::Rejected | FaultKind::Permanent => {
                self.lost = None;
                self.rebuild = true;
                self.report(
                    SourceState::Failed {
                        message: fault.message,
                    },
                    out,
                );
                self.phase = Phase::Waiting {
                    until: now + PERMANENT_PAUSE,
                };
                return;
            }
            FaultKind::Exhausted => backoff::LONGEST,
            FaultKind::Transient | FaultKind::Conflict => self.backoff.next((self.chance)()),
        };
        if self.source == Some(SourceState::Live)
            && self.lost.is_none()
            && was_open
            && fault.kind != FaultKind::Exhausted
        {
            self.lost = Some((now, fault.message));
        } else {
            self.rebuild = true;
            self.away(fault.message, out);
        }
        self.phase = Phase::Waiting { until: now + pause };
    }

    fn away(&mut self, message: String, out: &mut Vec<Output>) {
        self.lost = None;
        self.report(SourceState::Away { message }, out);
    }

    fn report(&mut self, state: SourceState, out: &mut Vec<Output>) {
        if self.source.as_ref() != Some(&state) {
            self.source = Some(state.clone());
            out.push(Output::Emit(WatchEvent::Source(state)));
        }
    }
}

fn publish(changes: Vec<Change>, out: &mut Vec<Output>) {
    if !changes.is_empty() {
        out.push(Output::Emit(WatchEvent::Snapshot(Snapshot {
            changes,
            ..Snapshot::default()
        })));
    }
}

/// The id of a target on the wire; ids start at 1.
pub(super) fn id(target: usize) -> i32 {
    i32::try_from(target + 1).unwrap_or(i32::MAX)
}

fn index(id: i32) -> Option<usize> {
    let index = usize::try_from(id).ok()?.checked_sub(1)?;
    (index < TARGETS).then_some(index)
}

fn mask(ids: &[i32]) -> u8 {
    ids.iter()
        .filter_map(|id| index(*id))
        .fold(0, |mask, target| mask | bit(target))
}
