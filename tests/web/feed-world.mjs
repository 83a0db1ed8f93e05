import { Feed } from '../../static/js/feed/machine.js';
import { cursor, T0 } from './fixtures.mjs';

/** @import { Effect, FeedEvent, TimerName } from '../../static/js/feed/machine.js' */

/** Plays the world around a feed: clock, timers, stream and requests, all by hand. */
export class FeedWorld {
  /** @param {{random?: () => number, cursor?: string}} [options] */
  constructor({ random = () => 1, cursor: start = cursor(T0, 'A') } = {}) {
    this.now = T0;
    /** @type {Map<TimerName, number>} due times */
    this.timers = new Map();
    /** @type {{epoch: number, since: string} | null} */
    this.stream = null;
    /** @type {{ticket: number, since: string | null}[]} */
    this.requests = [];
    /** @type {Effect[]} */
    this.told = [];
    this.connects = 0;
    this.feed = new Feed({
      cursor: start, now: T0, serverTime: T0 + 700, source: { state: 'live', since: 0, message: '' },
      heartbeatMs: 30_000, retryMs: 2000, clock: () => this.now, random,
    });
  }

  get status() {
    return this.feed.status;
  }

  /** @param {FeedEvent} event */
  send(event) {
    for (const effect of this.feed.handle(event)) {
      if (effect.type === 'connect') {
        this.connects += 1;
        this.stream = effect;
      } else if (effect.type === 'disconnect') this.stream = null;
      else if (effect.type === 'timer') this.timers.set(effect.name, this.now + effect.ms);
      else if (effect.type === 'clear') this.timers.delete(effect.name);
      else if (effect.type === 'fetch') this.requests.push(effect);
      else this.told.push(effect);
    }
    return this;
  }

  start() {
    return this.send({ type: 'start' });
  }

  /** @param {string} event @param {unknown} data @param {string} [id] */
  say(event, data, id = '') {
    if (!this.stream) throw new Error('no stream');
    return this.send({ type: 'message', epoch: this.stream.epoch, event, id, data: JSON.stringify(data) });
  }

  connected() {
    if (!this.stream) throw new Error('no stream');
    this.send({ type: 'open', epoch: this.stream.epoch });
    return this.say('message', { type: 'connected' }, this.stream.since);
  }

  drop() {
    if (!this.stream) throw new Error('no stream');
    return this.send({ type: 'error', epoch: this.stream.epoch });
  }

  /** Answers the oldest request. @param {number} status @param {any} [body] @param {number} [retryAfterMs] */
  answer(status, body, retryAfterMs) {
    const request = this.requests.shift();
    if (!request) throw new Error('no request');
    return this.send({ type: 'fetched', ticket: request.ticket, status, body, retryAfterMs });
  }

  /** No order has changed. @param {object} [more] */
  answerNothing(more) {
    return this.answer(200, { orders: [], cursor: this.requests[0]?.since ?? '0-', ...more });
  }

  /** Lets time pass, firing what falls due. @param {number} ms */
  pass(ms) {
    const end = this.now + ms;
    for (;;) {
      const next = [...this.timers].filter(([, due]) => due <= end).sort((a, b) => a[1] - b[1])[0];
      if (!next) break;
      this.timers.delete(next[0]);
      this.now = Math.max(this.now, next[1]);
      this.send({ type: 'timer', name: next[0] });
    }
    this.now = end;
    return this;
  }

  /** @param {string} type */
  heard(type) {
    return this.told.filter((effect) => effect.type === type);
  }
}
