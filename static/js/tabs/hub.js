/** @import { Source, Status } from '../feed/types.js' */
/** @import { News, World } from '../feed/drive.js' */
import { monotonic, Sleep, wall } from '../clock.js';
import { drive } from '../feed/drive.js';
import { Feed } from '../feed/machine.js';

/**
 * @typedef {object} Hello              first message of a tab; the first tab's starts the stream
 * @property {'hello'} t
 * @property {string} tab
 * @property {string} cursor
 * @property {number} serverTime        now, by the tab's estimate; clocks of tabs and workers may differ
 * @property {Source} source
 * @property {number} heartbeatMs
 * @property {number} retryMs
 * @property {number} limit             orders to request for the whole window
 * @property {string} name
 *
 * @typedef {Hello | {t: 'wake', tab: string, reason: 'visible' | 'online'} | {t: 'offline', tab: string}
 *   | {t: 'leave', tab: string}} ToHub
 *
 * @typedef {{serverTime: number, wordAge: number}} Bearings   server time now, and ms since the server last sent something
 *
 * @typedef {{t: 'welcome', cursor: string, status: Status, at: Bearings} | {t: 'pulse', at: Bearings | null}
 *   | {t: 'news', news: Exclude<News, {type: 'status'}>} | {t: 'status', status: Status, at: Bearings}} FromHub
 */

const PULSE_MS = 1000;
/** A shorter pause may be a busy machine that delays pulses; a longer one is sleep. */
const SLEEP_MS = 10_000;

/**
 * The only owner of the stream, in a shared worker, in the leading tab, or in a single tab.
 */
export class Hub {
  /**
   * @param {World & {clock: () => number, wall: () => number, random: () => number}} world
   * @param {(message: FromHub) => void} broadcast to every tab
   */
  constructor(world, broadcast) {
    this.world = world;
    this.broadcast = broadcast;
    /** @type {Feed | null} */
    this.feed = null;
    /** @type {ReturnType<typeof drive> | null} */
    this.driver = null;
    this.closed = false;
    this.sleep = new Sleep(world.clock, world.wall);
    this.#pulse();
  }

  /**
   * @param {ToHub} message
   * @param {(message: FromHub) => void} reply to the sender
   */
  hear(message, reply) {
    if (this.closed) return;
    switch (message.t) {
      case 'hello':
        if (!this.feed) this.#start(message);
        // A page that was just served has a session again, although the stream's had ended.
        else if (this.feed.status.phase === 'ended') this.driver?.send({ type: 'wake', reason: 'signin' });
        if (this.feed) reply({ t: 'welcome', cursor: this.feed.known, status: this.feed.status, at: this.#bearings(this.feed) });
        return;
      case 'wake':
        this.driver?.send({ type: 'wake', reason: message.reason });
        return;
      case 'offline':
        this.driver?.send({ type: 'offline' });
        return;
    }
  }

  /** Stops the stream: no tab is left. The next one starts it again. */
  rest() {
    this.driver?.send({ type: 'stop' });
    this.driver = null;
    this.feed = null;
  }

  close() {
    this.closed = true;
    this.rest();
  }

  /** @param {Hello} hello */
  #start(hello) {
    const { clock, random } = this.world;
    const now = clock();
    const feed = new Feed({
      cursor: hello.cursor,
      now,
      serverTime: hello.serverTime,
      source: hello.source,
      heartbeatMs: hello.heartbeatMs,
      retryMs: hello.retryMs,
      clock,
      random,
    });
    this.feed = feed;
    this.driver = drive(feed, this.world, {
      limit: hello.limit,
      name: () => hello.name,
      tell: (news) => {
        if (news.type === 'status') this.broadcast({ t: 'status', status: feed.status, at: this.#bearings(feed) });
        else this.broadcast({ t: 'news', news });
      },
    });
    this.driver.send({ type: 'start' });
  }

  /** @param {Feed} feed @returns {Bearings} */
  #bearings(feed) {
    const now = this.world.clock();
    return { serverTime: now + feed.status.skew, wordAge: now - feed.status.lastWord };
  }

  /** Sends the pulse; tabs detect a dead or frozen hub by its silence. */
  #pulse() {
    if (this.closed) return;
    // During sleep the stream may have died, and server time went on without this clock.
    if (this.sleep.passed() > SLEEP_MS) this.driver?.send({ type: 'wake', reason: 'slept' });
    this.broadcast({ t: 'pulse', at: this.feed && this.#bearings(this.feed) });
    this.world.setTimeout(() => this.#pulse(), PULSE_MS);
  }
}

/** The dependencies of a hub in a worker. @returns {World & {clock: () => number, wall: () => number, random: () => number}} */
export function realWorld() {
  return {
    openStream: (url) => new EventSource(url),
    fetch: (url, init) => fetch(url, init),
    setTimeout: (run, ms) => setTimeout(run, ms),
    clearTimeout: (timer) => clearTimeout(timer),
    clock: monotonic,
    wall,
    random: () => Math.random(),
  };
}
