//! The listener as a state machine: a function of messages and time.

use std::time::Duration;

use firestore::gcloud_sdk::google::firestore::v1::listen_response::ResponseType;
use firestore::gcloud_sdk::google::firestore::v1::target_change::TargetChangeType;
use firestore::gcloud_sdk::google::firestore::v1::{ListenResponse, TargetChange};
use firestore::gcloud_sdk::tonic::Code;
use tokio::time::Instant;

use super::contents::Contents;
use super::missing::{Fate, Missing, Name};
use super::targets::{TARGETS, index, indexes, mask};
use crate::firestore::fault::{Fault, FaultKind};
use crate::firestore::listen::{Due, Schedule, StreamEvent};
use crate::firestore::value;
use crate::orders::{Change, Snapshot, SourceState, WatchEvent};

/// Grace period before a lost stream is reported; a failed attempt to reopen it ends the period.
const GRACE: Duration = Duration::from_secs(10);
/// Pause after a fault that only an operator can fix.
const PERMANENT_PAUSE: Duration = Duration::from_secs(300);
/// Minimum time between two repeated deliveries of all open orders.
const REPEAT_PAUSE: Duration = Duration::from_secs(600);
/// Minimum time between two mismatches for the second to start over without backoff.
const MISMATCH_PAUSE: Duration = Duration::from_secs(60);

/// An event for the listener.
#[derive(Debug)]
pub(super) enum Input {
    /// Something happened to the stream.
    Stream(StreamEvent),
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
    /// Drop the stream, if there is one, and open another; over a new channel if `rebuild` is set.
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

/// The listener's state, without sockets and clocks.
pub(super) struct Machine {
    contents: Contents,
    schedule: Schedule,
    use_tokens: bool,
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
    /// A listener that opens its first stream when `schedule` says so.
    pub(super) fn new(contents: Contents, use_tokens: bool, schedule: Schedule) -> Self {
        Self {
            contents,
            schedule,
            use_tokens,
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
        let stream = self.schedule.deadline();
        match &self.lost {
            Some((since, _)) => stream.min(*since + GRACE),
            None => stream,
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
            Input::Stream(event) => self.stream(now, event, &mut out),
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

    fn stream(&mut self, now: Instant, event: StreamEvent, out: &mut Vec<Output>) {
        match event {
            StreamEvent::Opened => self.schedule.opened(now),
            StreamEvent::Message(message) => {
                if self.schedule.heard(now) {
                    self.message(now, *message, out);
                }
            }
            StreamEvent::Failed(fault) => self.fail(now, fault, out),
            StreamEvent::Ended => {
                self.fail(now, Fault::transient("Firestore has ended the stream"), out);
            }
        }
    }

    fn tick(&mut self, now: Instant, out: &mut Vec<Output>) {
        if let Some((since, reason)) = &self.lost
            && *since + GRACE <= now
        {
            let reason = reason.clone();
            self.away(reason, out);
        }
        match self.schedule.due(now) {
            Some(Due::Open { rebuild }) => self.open(rebuild, out),
            Some(Due::GiveUp(fault)) => self.fail(now, fault, out),
            None => {}
        }
    }

    fn open(&mut self, rebuild: bool, out: &mut Vec<Output>) {
        self.current = [false; TARGETS];
        self.staged_tokens = Default::default();
        self.resumed = self.tokens.iter().any(|token| !token.is_empty());
        self.contents
            .staging()
            .begin(std::array::from_fn(|target| self.tokens[target].is_empty()));
        out.push(Output::Open {
            rebuild,
            tokens: self.tokens.clone(),
            counts: std::array::from_fn(|target| self.contents.len(target)),
        });
    }

    /// Reads all contents again. That costs a read per document, so it is done once per `REPEAT_PAUSE` at most.
    fn repeat(&mut self, now: Instant, out: &mut Vec<Output>) {
        let is_due = self
            .repeated_at
            .is_none_or(|last| now >= last + REPEAT_PAUSE);
        if is_due && self.schedule.is_open() && self.current == [true; TARGETS] {
            self.repeated_at = Some(now);
            self.repeats = true;
            self.tokens = Default::default();
            self.schedule.reset_backoff();
            let reason =
                "the listener reads all open orders again, since there is room for those left out";
            self.fail(now, Fault::transient(reason), out);
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
        let targets = indexes(&change.target_ids);
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
        tracing::warn!(
            "Firestore counts other documents than the listener holds: the listener reads all of them again"
        );
        self.tokens = Default::default();
        let again = self
            .mismatch
            .is_some_and(|last| now < last + MISMATCH_PAUSE);
        self.mismatch = Some(now);
        if !again {
            self.schedule.reset_backoff();
        }
        let reason = "Firestore counts other documents than the listener holds";
        self.fail(now, Fault::transient(reason), out);
    }

    /// Ends the stream, reports the fault unless it may pass unnoticed, and plans the next attempt.
    fn fail(&mut self, now: Instant, fault: Fault, out: &mut Vec<Output>) {
        if self.schedule.is_waiting() {
            return;
        }
        let was_open = self.schedule.is_open();
        if self.schedule.is_healthy(now) && self.current == [true; TARGETS] {
            self.schedule.reset_backoff();
        }
        tracing::info!(reason = fault.message, "the listener has lost its stream");
        self.contents.staging().begin([true; TARGETS]);
        self.current = [false; TARGETS];
        out.push(Output::Close);
        match fault.kind {
            FaultKind::Rejected if self.resumed && !self.refused => {
                // Most likely the token is too old, or belongs to a different query.
                self.refused = true;
                self.tokens = Default::default();
                self.schedule.wait(now, Duration::ZERO);
            }
            FaultKind::Rejected | FaultKind::Permanent => {
                self.lost = None;
                self.schedule.rebuild();
                self.schedule.wait(now, PERMANENT_PAUSE);
                let message = fault.message;
                self.report(SourceState::Failed { message }, out);
                return;
            }
            FaultKind::Exhausted => self.schedule.wait_longest(now),
            FaultKind::Transient | FaultKind::Conflict => self.schedule.wait_with_backoff(now),
        }
        let may_pass_unnoticed = self.source == Some(SourceState::Live)
            && self.lost.is_none()
            && was_open
            && fault.kind != FaultKind::Exhausted;
        if may_pass_unnoticed {
            self.lost = Some((now, fault.message));
        } else {
            self.schedule.rebuild();
            self.away(fault.message, out);
        }
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
