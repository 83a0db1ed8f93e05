import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Hub } from '../../static/js/tabs/hub.js';
import { byOwnClock, Follower } from '../../static/js/tabs/follow.js';
import { chooseSounder, Ensemble, EXPIRY_MS, HANDOVER_MS, PRESENCE_MS, SETTLE_MS, WAKE_MS } from '../../static/js/tabs/sounder.js';
import { Timers } from '../../static/js/tabs/timers.js';
import { Watch } from '../../static/js/tabs/watch.js';
import { cursor, T0 } from './fixtures.mjs';

/** Tabs of one browser that hear each other. No two of their clocks agree. */
class Browser {
  constructor() {
    this.now = T0;
    /** @type {Map<string, Ensemble>} */
    this.tabs = new Map();
    /** @type {Map<string, number>} how far each tab's clock is off */
    this.bases = new Map();
  }

  /** @param {string} name @param {{focused?: boolean, unlocked?: boolean, visible?: boolean}} [facts] */
  open(name, { focused = true, ...facts } = {}) {
    /** @type {any[]} */
    const early = [];
    /** @type {Ensemble | null} */
    let tab = null;
    const tell = (/** @type {any} */ gossip) => (tab ? this.#tell(name, gossip) : early.push(gossip));
    this.bases.set(name, [0, -3_600_000, 60_000, 7 * 86_400_000][this.bases.size % 4]);
    tab = new Ensemble(name, this.clockOf(name), tell, focused);
    this.tabs.set(name, tab);
    for (const gossip of early) this.#tell(name, gossip);
    tab.update({ unlocked: true, visible: true, ...facts }, this.clockOf(name));
    return tab;
  }

  /** @param {string} name */
  clockOf(name) {
    return this.now + (this.bases.get(name) ?? 0);
  }

  /** @param {string} from @param {any} gossip */
  #tell(from, gossip) {
    for (const [name, tab] of this.tabs) if (name !== from) tab.hear(structuredClone(gossip), this.clockOf(name));
  }

  /** @param {number} ms @param {string[]} [frozen] */
  pass(ms, frozen = []) {
    for (let left = ms; left > 0; left -= 100) {
      this.now += 100;
      for (const [name, tab] of this.tabs) if (!frozen.includes(name)) tab.update({}, this.clockOf(name));
    }
  }

  /** @param {string[]} [frozen] */
  sounders(frozen = []) {
    return [...this.tabs].filter(([name, tab]) => !frozen.includes(name) && tab.isSounder(this.clockOf(name))).map(([name]) => name);
  }
}

test('exactly one tab sounds: one that can, that is seen, that was used last', () => {
  const browser = new Browser();
  browser.open('a', { visible: false });
  browser.open('b', { unlocked: false });
  browser.pass(300);
  browser.open('c');
  browser.open('d', { focused: false });
  browser.pass(1000);
  assert.deepEqual(browser.sounders(), ['c']);
  browser.tabs.get('d')?.focus();
  browser.pass(HANDOVER_MS + 100);
  assert.deepEqual(browser.sounders(), ['d']);
  browser.tabs.get('d')?.update({ unlocked: false }, browser.clockOf('d'));
  assert.deepEqual(browser.sounders(), ['c']);
});

test('a newcomer listens first', () => {
  const browser = new Browser();
  browser.open('a');
  browser.pass(2000);
  browser.open('b');
  assert.equal(browser.tabs.get('b')?.isSounder(browser.clockOf('b')), false);
  browser.pass(SETTLE_MS + HANDOVER_MS + 100);
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
  browser.open('b', { focused: false });
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
  const b = browser.open('b', { focused: false });
  browser.pass(1000);
  a.rang(browser.clockOf('a'));
  browser.pass(1000);
  assert.equal(browser.clockOf('b') - b.lastRung, 1000);
  const c = browser.open('c');
  assert.equal(browser.clockOf('c') - c.lastRung, 1000, 'and a newcomer is told');
  assert.equal(c.anyUnlocked(browser.clockOf('c')), true);
});

test('two tabs that are focused at once agree on one of them', () => {
  const browser = new Browser();
  browser.open('a');
  browser.open('b');
  browser.pass(1000);
  browser.tabs.get('a')?.focus();
  browser.tabs.get('b')?.focus();
  browser.pass(HANDOVER_MS + 100);
  assert.equal(browser.sounders().length, 1);
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
    wall: () => T0,
    random: () => 1,
  });
  const hub = new Hub(world, (message) => broadcasts.push(message));
  const hello = (/** @type {string} */ tab) => /** @type {any} */ ({ t: 'hello', tab, cursor: cursor(T0, 'A'), serverTime: T0, source: { state: 'live', since: 0, message: '' }, heartbeatMs: 30_000, retryMs: 2000, limit: 2500, name: '' });
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

test('a hub that slept connects anew and asks; its tabs read the time off its pulse by their own clocks', () => {
  let now = T0;
  let asleep = 0;
  /** @type {{closed: boolean}[]} */
  const streams = [];
  /** @type {any[]} */
  let heard = [];
  /** @type {any[]} */
  const timers = [];
  /** @type {string[]} */
  const asked = [];
  const world = /** @type {any} */ ({
    openStream: () => {
      const stream = { closed: false, addEventListener() {}, close() { this.closed = true; } };
      streams.push(stream);
      return stream;
    },
    fetch: async (/** @type {string} */ url) => asked.push(url),
    setTimeout: (/** @type {any} */ run, /** @type {number} */ ms) => timers.push({ run, ms }),
    clearTimeout: () => {}, clock: () => now, wall: () => now + asleep, random: () => 1,
  });
  const hub = new Hub(world, (message) => heard.push(message));
  hub.hear(/** @type {any} */ ({ t: 'hello', tab: 'a', cursor: cursor(T0, 'A'), serverTime: T0 + 700, source: { state: 'live', since: 0, message: '' }, heartbeatMs: 30_000, retryMs: 2000, limit: 2500, name: '' }), () => {});
  const pulse = () => {
    now += 1000;
    timers.splice(timers.findIndex(({ ms }) => ms === 1000), 1)[0].run();
  };
  pulse();
  asleep = -60_000;
  pulse();
  assert.equal(streams.length, 1, 'a clock that is set back is not sleep');
  asleep = 600_000;
  heard = [];
  pulse();
  assert.equal(streams.length, 2);
  const { at } = heard.find(({ t }) => t === 'pulse');
  assert.deepEqual(at, { serverTime: T0 + 3700, wordAge: 3000 });
  const status = byOwnClock(/** @type {any} */ ({ phase: 'open', lastWord: now, skew: 700 }), at, 5000);
  assert.deepEqual([status.lastWord, status.skew + 5000], [2000, T0 + 3700]);
  hub.close();
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
    setTimeout: () => 0, clearTimeout: () => {}, clock: () => T0, wall: () => T0, random: () => 1,
  });
  const hub = new Hub(world, () => {});
  const hello = (/** @type {number} */ at) => /** @type {any} */ ({ t: 'hello', tab: 'a', cursor: cursor(at, 'A'), serverTime: T0, source: { state: 'live', since: 0, message: '' }, heartbeatMs: 30_000, retryMs: 2000, limit: 2500, name: '' });
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
