import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bell } from '../../static/js/alarm/bell.js';
import { SNOOZE_MS } from '../../static/js/alarm/plan.js';
import { Sleep } from '../../static/js/clock.js';
import { Floods } from '../../static/js/order/piles.js';
import { DEFAULTS } from '../../static/js/prefs.js';
import { card, T0 } from './fixtures.mjs';

/** @import { Card } from '../../static/js/order/card.js' */

const MINUTE = 60_000;
const HOUR = 3_600_000;

/** A device with tabs whose bells hear each other, and with a clock on its wall that is set by hand. */
class Device {
  constructor() {
    /** True time since the start; what the monotonic clocks follow. */
    this.passed = 0;
    this.wall = T0;
    /** @type {Card[]} */
    this.orders = [];
    /** @type {{name: string, at: number}[]} */
    this.rings = [];
    /** @type {Map<string, Bell>} */
    this.bells = new Map();
    this.floods = new Floods();
    /** @type {{from: string, gossip: any}[]} */
    this.posted = [];
  }

  deliver() {
    for (let next = this.posted.shift(); next; next = this.posted.shift()) {
      for (const [name, bell] of this.bells) if (name !== next.from) bell.hear(next.gossip);
    }
    return this;
  }

  /** @param {string} name */
  open(name) {
    // The zero of a tab's clock is its own; it depends on what the wall showed when the tab was opened.
    const base = this.wall - this.passed;
    const clock = () => base + this.passed;
    const desk = /** @type {any} */ ({ cards: () => this.orders, now: () => T0 + this.passed, floods: this.floods });
    const sound = {
      volume: 1, tone: 'bell', unlocked: true,
      ring: () => {
        this.rings.push({ name, at: this.passed });
        return true;
      },
    };
    const post = (/** @type {any} */ gossip) => this.posted.push({ from: name, gossip: structuredClone(gossip) });
    this.bells.set(name, new Bell({ desk, sound, prefs: () => DEFAULTS, tab: name, clock, wall: () => this.wall, focused: true, post }));
    return this.deliver();
  }

  /** @param {number} ms @param {{asleep?: boolean}} [how] */
  pass(ms, { asleep = false } = {}) {
    if (asleep) {
      this.wall += ms;
      return this;
    }
    for (let left = ms; left > 0; left -= 500) {
      this.passed += 500;
      this.wall += 500;
      for (const bell of this.bells.values()) bell.tick(true);
      this.deliver();
    }
    return this;
  }

  /** @param {number} ms */
  setClock(ms) {
    this.wall += ms;
    return this;
  }

  /** @param {string} id */
  place(id) {
    this.orders = [card(id, { timestamp: T0 + this.passed }), ...this.orders];
    return this;
  }

  /** Rings from now on. */
  listen() {
    this.rings = [];
    return this;
  }
}

for (const [what, by] of /** @type {[string, number][]} */ ([['back by a minute', -MINUTE], ['forth by an hour', HOUR], ['back by an hour', -HOUR]])) {
  test(`the clock is set ${what}: a new order rings within a second, in one tab`, () => {
    const device = new Device().open('a').open('b').open('c').pass(2000);
    device.place('A').pass(4000).setClock(by).listen().place('B').pass(1000);
    assert.equal(device.rings.length, 1);
    device.pass(30_000);
    assert.equal(new Set(device.rings.map(({ at }) => at)).size, device.rings.length, 'no two tabs at once');
    assert.ok(device.rings.length >= 3, 'and again, for as long as it waits');
  });

  test(`a tab that is opened after the clock was set ${what} neither rings beside the others nor silences them`, () => {
    const device = new Device().open('a').pass(2000).place('A').pass(2000).setClock(by).listen().open('b').pass(3000);
    assert.deepEqual(device.rings, [], 'it rang just before');
    device.place('B').pass(1000);
    assert.equal(device.rings.length, 1);
  });

  test(`the clock is set ${what} during a minute of quiet, which lasts a minute in every tab`, () => {
    const device = new Device().open('a').open('b').pass(2000).place('A').pass(2000).setClock(by);
    device.bells.get('a')?.snooze();
    device.deliver();
    device.setClock(-by).listen().pass(SNOOZE_MS - 500);
    assert.deepEqual(device.rings, []);
    device.pass(500);
    assert.equal(device.rings.length, 1);
  });
}

test('a tab that takes over in the moment of a new order does not ring beside the one before', () => {
  const device = new Device().open('a').open('b').pass(2000);
  const [first, second] = [...device.bells].sort(([, one]) => (one.isSounder() ? -1 : 1));
  second[1].ensemble.focus();
  device.place('A').pass(1000);
  assert.deepEqual(device.rings.map(({ name }) => name), [first[0]]);
  device.listen().pass(12_000);
  assert.deepEqual(device.rings.map(({ name }) => name), [second[0]], 'it rings from then on');
});

test('a flood rings as one order, a real one among it at once', () => {
  const device = new Device().open('a').pass(2000);
  for (let n = 0; n < 40; n++) {
    device.orders = [card(`F${n}`, { timestamp: T0 + device.passed, source: 'ff' }), ...device.orders];
    device.floods.update(device.orders);
    device.pass(500);
  }
  device.listen();
  for (let n = 40; n < 80; n++) {
    device.orders = [card(`F${n}`, { timestamp: T0 + device.passed, source: 'ff' }), ...device.orders];
    device.floods.update(device.orders);
    device.pass(500);
  }
  assert.ok(device.rings.length <= 2, `${device.rings.length} rings in 20 s, as for one order that waits`);
  device.pass(2000).listen().place('real').pass(500);
  assert.equal(device.rings.length, 1);
  assert.equal(device.bells.get('a')?.oldest?.id, 'real');
});

test('after a sleep what is known waits to hear whether it was noticed elsewhere; a new order does not', () => {
  const device = new Device().open('a').pass(2000).place('A').pass(10_000).listen().pass(HOUR, { asleep: true }).pass(1000);
  assert.deepEqual(device.rings, []);
  device.place('B').pass(500);
  assert.equal(device.rings.length, 1);
  const other = new Device().open('a').pass(2000).place('A').pass(13_000).listen().pass(HOUR, { asleep: true }).pass(14_000);
  assert.ok(other.rings.length > 0, 'and it is not silent for good');
});

test('a tab that was frozen does not obey a wish for quiet of long ago', () => {
  const device = new Device().open('a').pass(2000).place('A').pass(2000);
  device.passed += MINUTE;
  device.bells.get('a')?.hear({ t: 'snooze' });
  device.listen().pass(4000);
  assert.equal(device.rings.length, 1);
});

test('sleep is what the wall clock is ahead by, never a clock that is set back', () => {
  let [clock, wall] = [0, 1000];
  const sleep = new Sleep(() => clock, () => wall);
  clock += 500;
  wall += 500;
  assert.equal(sleep.passed(), 0);
  wall += HOUR;
  assert.equal(sleep.passed(), HOUR);
  wall -= MINUTE;
  assert.equal(sleep.passed(), 0);
  assert.equal(sleep.passed(), 0);
});
