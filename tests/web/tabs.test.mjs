import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Hub } from '../../static/js/tabs/hub.js';
import { Follower } from '../../static/js/tabs/follow.js';
import { chooseSounder, Ensemble, EXPIRY_MS, PRESENCE_MS, SETTLE_MS, WAKE_MS } from '../../static/js/tabs/sounder.js';
import { Timers } from '../../static/js/tabs/timers.js';
import { Watch } from '../../static/js/tabs/watch.js';
import { cursor, T0 } from './fixtures.mjs';

/** Tabs of one browser that hear each other. */
class Browser {
  constructor() {
    this.now = T0;
    /** @type {Map<string, Ensemble>} */
    this.tabs = new Map();
  }

  /** @param {string} name @param {object} [facts] */
  open(name, facts = {}) {
    /** @type {any[]} */
    const early = [];
    /** @type {Ensemble | null} */
    let tab = null;
    const tell = (/** @type {any} */ gossip) => (tab ? this.#tell(name, gossip) : early.push(gossip));
    tab = new Ensemble(name, this.now, tell);
    this.tabs.set(name, tab);
    for (const gossip of early) this.#tell(name, gossip);
    tab.update({ unlocked: true, visible: true, focusedAt: this.now, ...facts }, this.now);
    return tab;
  }

  /** @param {string} from @param {any} gossip */
  #tell(from, gossip) {
    for (const [name, tab] of this.tabs) if (name !== from) tab.hear(gossip, this.now);
  }

  /** @param {number} ms @param {string[]} [frozen] */
  pass(ms, frozen = []) {
    for (let left = ms; left > 0; left -= 100) {
      this.now += 100;
      for (const [name, tab] of this.tabs) if (!frozen.includes(name)) tab.update({}, this.now);
    }
  }

  /** @param {string[]} [frozen] */
  sounders(frozen = []) {
    return [...this.tabs].filter(([name, tab]) => !frozen.includes(name) && tab.isSounder(this.now)).map(([name]) => name);
  }
}

test('exactly one tab sounds: one that can, that is seen, that was used last', () => {
  const browser = new Browser();
  browser.open('a', { visible: false });
  browser.open('b', { unlocked: false });
  browser.pass(300);
  browser.open('c');
  browser.open('d');
  browser.pass(1000);
  assert.deepEqual(browser.sounders(), ['c']);
  browser.tabs.get('d')?.update({ focusedAt: browser.now }, browser.now);
  assert.deepEqual(browser.sounders(), ['d']);
  browser.tabs.get('d')?.update({ unlocked: false }, browser.now);
  assert.deepEqual(browser.sounders(), ['c']);
});

test('a newcomer listens first', () => {
  const browser = new Browser();
  browser.open('a');
  browser.pass(2000);
  browser.open('b', { focusedAt: browser.now + 1 });
  assert.equal(browser.tabs.get('b')?.isSounder(browser.now), false);
  browser.pass(SETTLE_MS + 100);
  assert.deepEqual(browser.sounders(), ['b']);
});

test('a tab that slept listens first, too', () => {
  const browser = new Browser();
  const a = browser.open('a');
  browser.pass(2000);
  assert.deepEqual(browser.sounders(), ['a']);
  browser.now += 60_000;
  a.update({}, browser.now);
  assert.deepEqual(browser.sounders(), []);
  assert.equal(a.isChosen(browser.now), true, 'what is to be printed waits for it');
  browser.pass(WAKE_MS);
  assert.deepEqual(browser.sounders(), ['a']);
});

test('a closed tab is replaced at once, a frozen or killed one within five seconds', () => {
  const browser = new Browser();
  browser.open('a');
  browser.open('b', { focusedAt: 0 });
  browser.pass(2000);
  assert.deepEqual(browser.sounders(), ['a']);
  browser.pass(EXPIRY_MS + PRESENCE_MS, ['a']);
  assert.ok(EXPIRY_MS + PRESENCE_MS < 5000);
  assert.deepEqual(browser.sounders(['a']), ['b']);
  browser.tabs.get('b')?.leave();
  browser.tabs.delete('b');
  browser.pass(WAKE_MS + 100);
  assert.deepEqual(browser.sounders(), ['a']);
});

test('the heir knows when it rang last, so a handover is not heard', () => {
  const browser = new Browser();
  const a = browser.open('a');
  const b = browser.open('b', { focusedAt: 0 });
  browser.pass(1000);
  a.rang(browser.now);
  const rungAt = browser.now;
  browser.pass(1000);
  assert.equal(b.lastRung, rungAt);
  const c = browser.open('c');
  assert.equal(c.lastRung, rungAt, 'and a newcomer is told');
  assert.equal(c.anyUnlocked(browser.now), true);
});

test('without any tab there is no sounder', () => {
  assert.equal(chooseSounder([], T0), null);
});

test('silence of the other side is told from one\'s own sleep', () => {
  const watch = new Watch(0, 3500);
  for (let now = 500; now <= 3500; now += 500) assert.equal(watch.silent(now), false);
  assert.equal(watch.silent(4000), true);
  watch.heard(4000);
  assert.equal(watch.silent(4500), false);
  assert.equal(watch.silent(90_000), false, 'this tab slept: it could not have heard anything');
  assert.equal(watch.silent(93_000), false);
  assert.equal(watch.silent(94_000), true);
});

test('a follower applies what joins on, and sees a hole', () => {
  const follower = new Follower(cursor(T0, 'A'));
  const rows = /** @type {any[]} */ ([]);
  assert.equal(follower.offer({ type: 'cards', from: cursor(T0 - 5, 'x'), to: cursor(T0 + 1, 'B'), rows, whole: false }), 'apply');
  assert.equal(follower.offer({ type: 'cards', from: cursor(T0 + 9, 'C'), to: cursor(T0 + 10, 'D'), rows, whole: false }), 'gap');
  assert.equal(follower.cursor, cursor(T0 + 1, 'B'), 'a hole is not stepped over');
  assert.equal(follower.isBehind(cursor(T0 + 10, 'D')), true);
  assert.equal(follower.offer({ type: 'cards', from: null, to: cursor(T0 + 20, 'E'), rows, whole: true }), 'apply');
  assert.equal(follower.cursor, cursor(T0 + 20, 'E'));
});

test('the hub opens one stream for all tabs and restarts it for a page with a new session', async () => {
  /** @type {any[]} */
  const streams = [];
  /** @type {any[]} */
  const timers = [];
  /** @type {any[]} */
  const broadcasts = [];
  const world = /** @type {any} */ ({
    openStream: (/** @type {string} */ url) => {
      const stream = { url, closed: false, listeners: /** @type {Record<string, any>} */ ({}), addEventListener(/** @type {string} */ n, /** @type {any} */ f) { this.listeners[n] = f; }, close() { this.closed = true; } };
      streams.push(stream);
      return stream;
    },
    fetch: async () => new Response(null, { status: 401 }),
    setTimeout: (/** @type {any} */ run, /** @type {number} */ ms) => timers.push({ run, ms }),
    clearTimeout: () => {},
    clock: () => T0,
    random: () => 1,
  });
  const hub = new Hub(world, (message) => broadcasts.push(message));
  const hello = (/** @type {string} */ tab) => /** @type {any} */ ({ t: 'hello', tab, cursor: cursor(T0, 'A'), skew: 0, source: { state: 'live', since: 0, message: '' }, heartbeatMs: 30_000, retryMs: 2000, window: 500, name: '' });
  /** @type {any[]} */
  const replies = [];
  hub.hear(hello('a'), (message) => replies.push(message));
  hub.hear(hello('b'), (message) => replies.push(message));
  assert.equal(streams.length, 1);
  assert.match(streams[0].url, /since=/);
  assert.deepEqual(replies.map(({ t }) => t), ['welcome', 'welcome']);
  assert.ok(broadcasts.some(({ t }) => t === 'pulse'));
  streams[0].listeners.error();
  await new Promise((done) => setImmediate(done));
  assert.equal(hub.feed?.status.phase, 'ended');
  hub.hear(hello('c'), () => {});
  assert.equal(streams.length, 2);
  hub.close();
  assert.equal(streams[1].closed, true);
});

test('when the last tab has left, the stream ends; the next one starts it where it stands', () => {
  /** @type {{url: string, closed: boolean}[]} */
  const streams = [];
  const world = /** @type {any} */ ({
    openStream: (/** @type {string} */ url) => {
      const stream = { url, closed: false, addEventListener() {}, close() { this.closed = true; } };
      streams.push(stream);
      return stream;
    },
    setTimeout: () => 0, clearTimeout: () => {}, clock: () => T0, random: () => 1,
  });
  const hub = new Hub(world, () => {});
  const hello = (/** @type {number} */ at) => /** @type {any} */ ({ t: 'hello', tab: 'a', cursor: cursor(at, 'A'), skew: 0, source: { state: 'live', since: 0, message: '' }, heartbeatMs: 30_000, retryMs: 2000, window: 500, name: '' });
  hub.hear(hello(T0), () => {});
  hub.rest();
  assert.deepEqual(streams.map(({ closed }) => closed), [true]);
  hub.hear(hello(T0 + 9000), () => {});
  assert.equal(streams.length, 2);
  assert.match(streams[1].url, new RegExp(String(T0 + 9000)));
  hub.close();
});

test('timers of a hidden tab run by the tick, and once', () => {
  let now = T0;
  const timers = new Timers(() => now);
  /** @type {string[]} */
  const ran = [];
  timers.set(() => ran.push('a'), 60_000);
  const b = timers.set(() => ran.push('b'), 60_000);
  timers.set(() => ran.push('c'), 90_000);
  timers.clear(b);
  timers.clear(b);
  timers.clear(undefined);
  now += 60_000;
  timers.tick();
  timers.tick();
  assert.deepEqual(ran, ['a']);
  now += 30_000;
  timers.tick();
  assert.deepEqual(ran, ['a', 'c']);
  assert.equal(timers.pending.size, 0);
});
