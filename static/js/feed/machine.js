/** @import { Effect, FeedEvent, FeedOptions, Status, TimerName } from './types.js' */
import { compareCursors, laterCursor } from '../order/cursor.js';
import { backoff, farewell } from './backoff.js';

const POLL_MS = 5000;
const FAILURES_BEFORE_POLLING = 3;
const CONNECT_LIMIT_MS = 15_000;
const STEADY_MS = 10_000;

/**
 * The client side of the order stream as a state machine: events in, effects out; clock, network and timers are outside.
 * Guarantees:
 *
 * - the cursor of details (`known`) moves only by an answer of `recent`, and every later id on the stream causes a
 *   request, so a gap in the stream can delay an order but never lose it;
 * - one request for details is in flight at a time, whatever the number of events;
 * - only the end of the session ends it for good; no other failure of server or network does.
 */
export class Feed {
  /** @param {FeedOptions} options */
  constructor(options) {
    this.clock = options.clock;
    this.random = options.random;
    this.heartbeatMs = options.heartbeatMs ?? 30_000;
    this.retryMs = options.retryMs ?? 2000;
    this.seen = options.cursor;
    this.known = options.cursor;
    this.epoch = 0;
    this.openedAt = 0;
    this.ticket = 0;
    this.inFlight = false;
    this.wanted = false;
    this.whole = false;
    this.askedWhole = false;
    /** @type {Status} */
    this.status = {
      phase: 'idle',
      polling: false,
      reachable: null,
      online: true,
      failures: 0,
      lastWord: options.now,
      skew: options.serverTime - options.now,
      source: options.source,
      assets: null,
      usage: null,
      open: null,
    };
  }

  /** @param {FeedEvent} event @returns {Effect[]} */
  handle(event) {
    const before = JSON.stringify(this.status);
    /** @type {Effect[]} */
    const out = [];
    this.#react(event, out);
    if (JSON.stringify(this.status) !== before) out.push({ type: 'status' });
    return out;
  }

  /** @param {FeedEvent} event @param {Effect[]} out */
  #react(event, out) {
    switch (event.type) {
      case 'start':
        return this.#connect(out);
      case 'stop':
        return this.#stop('idle', out);
      case 'wake':
        return this.#wake(event.reason, out);
      case 'offline':
        this.status.online = false;
        if (this.#isLive()) this.#lost(out, this.retryMs);
        return;
      case 'open':
        if (event.epoch === this.epoch && this.status.phase === 'connecting') this.#word(out);
        return;
      case 'error':
        if (event.epoch === this.epoch && this.#isLive()) this.#lost(out);
        return;
      case 'message':
        if (event.epoch === this.epoch && this.#isLive()) this.#message(event, out);
        return;
      case 'timer':
        return this.#timer(event.name, out);
      case 'fetched':
        if (event.ticket === this.ticket && this.inFlight) this.#fetched(event, out);
        return;
    }
  }

  #isLive() {
    return this.status.phase === 'open' || this.status.phase === 'connecting';
  }

  /** @param {Effect[]} out */
  #connect(out) {
    this.epoch += 1;
    this.status.phase = 'connecting';
    out.push({ type: 'clear', name: 'retry' });
    out.push({ type: 'connect', epoch: this.epoch, since: this.seen });
    out.push({ type: 'timer', name: 'watchdog', ms: CONNECT_LIMIT_MS });
  }

  /**
   * The server has sent something; after two heartbeats of silence the connection counts as dead.
   * @param {Effect[]} out
   */
  #word(out) {
    this.status.lastWord = this.clock();
    out.push({ type: 'timer', name: 'watchdog', ms: 2 * this.heartbeatMs + 5000 });
  }

  /**
   * @param {Effect[]} out
   * @param {number} [delay] used instead of the back-off
   */
  #lost(out, delay) {
    const opened = this.status.phase === 'open';
    const steady = opened && this.clock() - this.openedAt >= STEADY_MS;
    this.status.failures = steady ? 1 : this.status.failures + 1;
    this.status.phase = 'waiting';
    this.epoch += 1;
    out.push({ type: 'disconnect' }, { type: 'clear', name: 'watchdog' });
    const ms = delay ?? backoff(this.status.failures, this.retryMs, this.random);
    out.push({ type: 'timer', name: 'retry', ms });
    // A refused stream doesn't tell why; an ordinary request does, and it fetches what was missed.
    if (!opened) this.#want(out);
    if (this.status.failures >= FAILURES_BEFORE_POLLING && !this.status.polling) {
      this.status.polling = true;
      out.push({ type: 'timer', name: 'poll', ms: POLL_MS });
      this.#want(out);
    }
  }

  /** @param {Extract<FeedEvent, {type: 'message'}>} event @param {Effect[]} out */
  #message({ event, id, data }, out) {
    this.#word(out);
    // After a reconnect, not only orders may have changed: the server may be another version.
    const isBack = this.status.phase === 'connecting' && this.epoch > 1;
    if (this.status.phase === 'connecting') {
      this.status.phase = 'open';
      this.status.reachable = true;
      this.status.online = true;
      this.status.polling = false;
      this.openedAt = this.clock();
      out.push({ type: 'clear', name: 'poll' });
    }
    const body = parse(data);
    if (id !== '') this.seen = laterCursor(this.seen, id);
    if (event === 'new_order' || event === 'order_update') {
      if (typeof body?.id === 'string') out.push({ type: 'summary', event, id, summary: body });
    } else if (event === 'order_removed') {
      if (typeof body?.id === 'string') out.push({ type: 'removed', event, id, order: body.id });
    } else if (event === 'heartbeat') {
      this.#clockWord(body?.serverTime);
    } else if (event === 'source') {
      if (typeof body?.state === 'string') this.status.source = body;
    } else if (event === 'reset') {
      this.whole = true;
      return this.#want(out);
    } else if (event === 'bye') {
      return this.#farewell(body, out);
    }
    if (isBack || compareCursors(this.seen, this.known) > 0) this.#want(out);
  }

  /**
   * The server has sent `bye`: not a failure, and the event says how long to wait.
   * @param {any} body
   * @param {Effect[]} out
   */
  #farewell(body, out) {
    this.status.phase = 'waiting';
    this.status.failures = 0;
    this.epoch += 1;
    const ms = Number.isFinite(body?.retry) ? Math.min(Math.max(body.retry, 0), 30_000) : farewell(this.random);
    out.push({ type: 'disconnect' }, { type: 'clear', name: 'watchdog' }, { type: 'timer', name: 'retry', ms });
  }

  /** @param {TimerName} name @param {Effect[]} out */
  #timer(name, out) {
    switch (name) {
      case 'retry':
        if (this.status.phase === 'waiting') this.#connect(out);
        return;
      case 'watchdog':
        if (this.#isLive()) this.#lost(out, this.status.phase === 'open' ? 0 : undefined);
        return;
      case 'details':
        if (this.status.phase !== 'ended' && this.status.phase !== 'idle') this.#want(out);
        return;
      case 'poll':
        if (!this.status.polling) return;
        out.push({ type: 'timer', name: 'poll', ms: POLL_MS });
        return this.#want(out);
    }
  }

  /** @param {Effect[]} out */
  #want(out) {
    if (this.inFlight) {
      this.wanted = true;
      return;
    }
    this.inFlight = true;
    this.wanted = false;
    this.ticket += 1;
    this.askedWhole = this.whole;
    out.push({ type: 'clear', name: 'details' });
    out.push({ type: 'fetch', ticket: this.ticket, since: this.whole ? null : this.known });
  }

  /** @param {Extract<FeedEvent, {type: 'fetched'}>} answer @param {Effect[]} out */
  #fetched({ status, body, retryAfterMs }, out) {
    this.inFlight = false;
    if (status === 401 || status === 403) return this.#stop('ended', out);
    // The server can't use the cursor, such as one of another store: fetch the whole window.
    if (status === 400 && !this.askedWhole) {
      this.whole = true;
      return this.#want(out);
    }
    if (status !== 200 || !Array.isArray(body?.orders) || typeof body.cursor !== 'string') return this.#fetchFailed(retryAfterMs, out);
    const wasAway = this.status.reachable === false;
    this.status.lastWord = this.clock();
    this.status.reachable = true;
    this.status.online = true;
    const moved = this.#answer(body, out);
    if (this.status.phase === 'waiting' && wasAway) this.#connect(out);
    if (this.whole || (this.wanted && moved)) this.#want(out);
    else if (this.wanted || compareCursors(this.seen, this.known) > 0) {
      // This instance is behind the one that streams: ask again, with a pause.
      out.push({ type: 'timer', name: 'details', ms: moved ? 0 : 500 });
    }
  }

  /** @param {any} body @param {Effect[]} out @returns {boolean} whether the cursor moved */
  #answer(body, out) {
    // A reset may have come after the request: this answer is still partial then.
    const whole = this.askedWhole || body.reset === true;
    const from = whole ? null : this.known;
    const moved = whole || compareCursors(body.cursor, this.known) > 0;
    this.#clockWord(body.serverTime);
    if (typeof body.source?.state === 'string') this.status.source = body.source;
    if (typeof body.assets === 'string') this.status.assets = body.assets;
    if (Number.isFinite(body.usage?.reads)) this.status.usage = body.usage;
    if (Number.isFinite(body.openHidden)) this.status.open = { total: Number(body.openTotal), hidden: body.openHidden };
    if (whole || body.orders.length > 0 || moved) {
      out.push({ type: 'cards', from, to: body.cursor, rows: body.orders, whole });
    }
    this.known = whole ? body.cursor : laterCursor(this.known, body.cursor);
    this.seen = whole ? body.cursor : laterCursor(this.seen, this.known);
    if (whole) this.whole = false;
    return moved;
  }

  /** @param {number | undefined} retryAfterMs @param {Effect[]} out */
  #fetchFailed(retryAfterMs, out) {
    this.status.reachable = false;
    this.wanted = false;
    if (this.status.polling) return;
    out.push({ type: 'timer', name: 'details', ms: Math.min(retryAfterMs ?? POLL_MS, 30_000) });
  }

  /** @param {'visible' | 'online' | 'signin' | 'slept'} reason @param {Effect[]} out */
  #wake(reason, out) {
    if (reason === 'online') this.status.online = true;
    const { phase } = this.status;
    if (phase === 'idle' || (phase === 'ended' && reason !== 'signin')) return;
    const silent = reason === 'slept' || this.clock() - this.status.lastWord > 2 * this.heartbeatMs;
    if (phase === 'open' && reason !== 'online' && !silent) return;
    if (phase === 'connecting' && reason !== 'online' && reason !== 'slept') return;
    // Timers may have slept, and the old connection is dead after a network change: connect anew.
    this.status.failures = 0;
    out.push({ type: 'disconnect' });
    this.#connect(out);
  }

  /** @param {'idle' | 'ended'} phase @param {Effect[]} out */
  #stop(phase, out) {
    this.status.phase = phase;
    this.status.polling = false;
    this.epoch += 1;
    this.inFlight = false;
    this.ticket += 1;
    out.push({ type: 'disconnect' });
    for (const name of /** @type {TimerName[]} */ (['retry', 'watchdog', 'poll', 'details'])) out.push({ type: 'clear', name });
  }

  /** @param {unknown} serverTime */
  #clockWord(serverTime) {
    if (typeof serverTime === 'number' && Number.isFinite(serverTime)) this.status.skew = serverTime - this.clock();
  }
}

/** @param {string} data @returns {any} */
function parse(data) {
  try {
    return JSON.parse(data);
  } catch {
    return null;
  }
}
