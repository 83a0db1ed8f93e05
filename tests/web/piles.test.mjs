import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Desk } from '../../static/js/desk.js';
import { Bulk } from '../../static/js/bulk.js';
import { matcher, NO_FILTER } from '../../static/js/order/filter.js';
import { Floods, isLongOpen } from '../../static/js/order/piles.js';
import { STEADY_MS } from '../../static/js/order/places.js';
import { card, cursor, dice, summary, T0 } from './fixtures.mjs';

/** @import { Card } from '../../static/js/order/card.js' */

const BAD = '00000000000000ff';
const DAY = 86_400_000;

/** @param {number} count @param {{from?: number, every?: number, source?: string, name?: string}} [how] */
function flood(count, { from = T0, every = 1000, source = BAD, name = 'F' } = {}) {
  return Array.from({ length: count }, (_, n) => card(`${name}${n}`, { timestamp: from + n * every, source }));
}

/** @param {Card[]} cards */
function grouped(cards) {
  const floods = new Floods();
  floods.update(cards);
  return floods.list.map(({ source, cards: { length }, minutes }) => [source, length, minutes]);
}

test('twenty waiting orders of one address within a minute are a flood; nineteen, slower ones, or of many addresses are not', () => {
  assert.deepEqual(grouped(flood(20)), [[BAD, 20, 1]]);
  assert.deepEqual(grouped(flood(20, { every: 60_000 / 19 })), [[BAD, 20, 1]], 'a minute exactly');
  assert.deepEqual(grouped(flood(19)), []);
  assert.deepEqual(grouped(flood(40, { every: 4000 })), []);
  assert.deepEqual(grouped(flood(40).map((one, n) => ({ ...one, source: `${n % 3}` }))), []);
  assert.deepEqual(grouped(flood(40).map((one) => ({ ...one, source: undefined }))), [], 'from elsewhere');
  assert.deepEqual(grouped(flood(40).map((one) => ({ ...one, status: 'CONFIRMED' }))), []);
  assert.deepEqual(grouped(flood(40).map((one) => ({ ...one, acknowledged: true }))), [], 'somebody has looked at each of them');
  assert.deepEqual(grouped(flood(300)), [[BAD, 300, 5]]);
});

test('an order of the same address an hour before the flood is no part of it', () => {
  const floods = new Floods();
  floods.update([card('honest', { source: BAD, timestamp: T0 - 3_600_000 }), ...flood(30)]);
  assert.equal(floods.of('honest'), null);
  assert.equal(floods.of('F0'), BAD);
});

test('a flood stays one while it is rejected, acknowledged, and while more comes in', () => {
  const floods = new Floods();
  const all = flood(30);
  floods.update(all);
  const left = all.map((one, n) => (n < 25 ? { ...one, status: 'CANCELLED' } : { ...one, acknowledged: true }));
  floods.update([...left, card('next', { source: BAD, timestamp: T0 + 60_000 }), card('later', { source: BAD, timestamp: T0 + 600_000 })]);
  assert.deepEqual(floods.list.map(({ cards }) => cards.map(({ id }) => id)), [['F25', 'F26', 'F27', 'F28', 'F29', 'next']]);
  floods.update(all.map((one) => ({ ...one, status: 'CANCELLED' })));
  assert.deepEqual([floods.list, floods.groups.size, floods.of('F25')], [[], 0, null]);
  floods.update(flood(3, { from: T0 + 20_000, name: 'G' }));
  assert.deepEqual(floods.list, [], 'it is over, and these are three orders');
});

test('a burst is found wherever it stands, as by looking at every minute', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = dice(seed);
    let at = T0;
    const orders = Array.from({ length: 120 }, (_, n) => card(`O${n}`, { source: BAD, timestamp: (at += Math.floor(random() * random() * 14_000)) }));
    const expected = orders.filter(({ timestamp }) =>
      orders.some((start) => {
        const inMinute = orders.filter((other) => other.timestamp >= start.timestamp && other.timestamp - start.timestamp <= 60_000);
        return inMinute.length >= 20 && timestamp >= start.timestamp && timestamp - start.timestamp <= 60_000;
      }),
    );
    const floods = new Floods();
    floods.update([...orders].reverse());
    assert.deepEqual((floods.list[0]?.cards ?? []).map(({ id }) => id).sort(), expected.map(({ id }) => id).sort(), `seed ${seed}`);
  }
});

test('for the alarm a flood is one order, as old as its oldest; real ones count as ever', () => {
  const floods = new Floods();
  const orders = [card('real', { timestamp: T0 + 5000 }), ...flood(50).reverse()];
  floods.update(orders);
  assert.deepEqual(floods.condense(orders).map(({ id, createdAt }) => [id, createdAt]), [['real', T0 + 5000], [`flood ${BAD}`, T0]]);
});

test('folded until it is opened, and no longer than there is a flood', () => {
  const floods = new Floods();
  floods.update(flood(20));
  assert.equal(floods.isFolded('F1'), true);
  floods.expanded.add(BAD);
  assert.equal(floods.isFolded('F1'), false);
  floods.update([]);
  assert.equal(floods.expanded.size, 0);
});

test('on the desk: the first ones are news, the flood is not, and its rejection elsewhere leaves no marks', () => {
  const state = {
    cursor: cursor(T0 - 1, 'A'), serverTime: T0, heartbeatSeconds: 30, window: 500, shop: { name: 'S', currency: 'USD' },
    admin: { name: 'Ana', email: 'a@b.c' }, source: { state: 'live', since: 0, message: '' }, version: '1', store: 'embedded', usage: null, orders: [],
  };
  const desk = new Desk(state, { clock: () => T0 + 30_000 });
  let told = 0;
  /** @param {Card[]} rows */
  const hear = (rows) => desk.hear({ type: 'cards', from: null, to: rows[rows.length - 1].position, rows, whole: false });
  for (const one of flood(30, { every: 500 })) {
    const { arrived, missed } = hear([one]);
    told += arrived.length + missed.length;
  }
  assert.equal(told, 19);
  assert.deepEqual(hear([card('real', { timestamp: T0 + 29_000 })]).arrived.map(({ id }) => id), ['real']);
  const { marked } = hear(flood(30, { every: 500 }).map((one) => ({ ...one, status: 'CANCELLED', position: cursor(T0 + 40_000, one.id) })));
  assert.deepEqual([marked, desk.floods.list], [[], []]);
});

test('during a flood an order is told when its details say that it is a real one, or when they do not come', () => {
  const clock = { now: T0 + 21_000 };
  const state = {
    cursor: cursor(T0 + 20_000, 'A'), serverTime: clock.now, heartbeatSeconds: 30, window: 500, shop: { name: 'S', currency: 'USD' },
    admin: { name: 'Ana', email: 'a@b.c' }, source: { state: 'live', since: 0, message: '' }, version: '1', store: 'embedded', usage: null, orders: flood(20),
  };
  const desk = new Desk(state, { clock: () => clock.now });
  const event = (/** @type {string} */ id) => desk.hear({ type: 'summary', event: 'new_order', id: cursor(T0 + 21_000, id), summary: summary(id, { timestamp: T0 + 21_000 }) });
  const details = (/** @type {string} */ id, /** @type {string | undefined} */ source) => {
    const whole = card(id, { timestamp: T0 + 21_000, source });
    return desk.hear({ type: 'cards', from: null, to: whole.position, rows: [whole], whole: false });
  };
  assert.deepEqual(event('F20').arrived, []);
  assert.deepEqual(event('real').arrived, []);
  assert.equal(desk.floods.condense(desk.cards()).length, 1);
  assert.deepEqual(details('F20', BAD).arrived, []);
  assert.deepEqual(details('real', undefined).arrived.map(({ id }) => id), ['real']);
  assert.equal(desk.floods.isFolded('real'), false);
  assert.deepEqual(event('late').arrived, []);
  clock.now += 900;
  assert.deepEqual(desk.overdue().arrived, []);
  clock.now += 100;
  assert.deepEqual(desk.overdue().arrived.map(({ id }) => id), ['late']);
  assert.deepEqual([desk.overdue().arrived, details('late', undefined).arrived], [[], []], 'once');
  event('gone');
  desk.hear({ type: 'removed', event: 'order_removed', id: cursor(T0 + 22_000, 'gone'), order: 'gone' });
  assert.equal(desk.floods.undecided.size, 0);
});

test('orders left open for more than a week are told apart, by the filter as well', () => {
  const orders = [card('new'), card('old', { timestamp: T0 - 8 * DAY }), card('kitchen', { timestamp: T0 - 8 * DAY, status: 'CONFIRMED' }), card('done', { timestamp: T0 - 8 * DAY, status: 'COMPLETED' }), card('week', { timestamp: T0 - 7 * DAY })];
  const names = (/** @type {Card[]} */ cards) => cards.map(({ id }) => id);
  assert.deepEqual(names(orders.filter((one) => isLongOpen(one, T0))), ['old', 'kitchen']);
  assert.deepEqual(names(orders.filter(matcher({ ...NO_FILTER, old: true }, T0))), ['old', 'kitchen']);
});

/** @param {any} [moveAll] */
function bulkWith(moveAll = async () => ({ done: 0, failed: 0, total: 0 })) {
  const clock = { now: 1000 };
  const bulk = new Bulk(moveAll, () => clock.now, () => {});
  return { bulk, clock };
}

test('what is confirmed are the orders that were asked about, once, and not in the same breath', async () => {
  /** @type {any[]} */
  const runs = [];
  const { bulk, clock } = bulkWith(async (/** @type {string[]} */ ids, /** @type {string} */ to) => {
    runs.push([ids, to]);
    await new Promise((done) => setImmediate(done));
    return { done: ids.length, failed: 0, total: ids.length };
  });
  assert.equal(await bulk.confirm('p', 'CANCELLED'), null, 'nothing was asked');
  bulk.ask('p', ['A', 'B']);
  assert.equal(await bulk.confirm('p', 'CANCELLED'), null, 'half of a double tap');
  clock.now += STEADY_MS;
  const running = bulk.confirm('p', 'CANCELLED');
  assert.equal(await bulk.confirm('p', 'CANCELLED'), null, 'it runs');
  bulk.ask('p', ['C']);
  assert.deepEqual(await running, { done: 2, failed: 0, total: 2 });
  assert.deepEqual(runs, [[['A', 'B'], 'CANCELLED']]);
  assert.equal(bulk.step('p'), null);
});

test('a question that is answered with no leaves everything as it was', async () => {
  const { bulk, clock } = bulkWith();
  bulk.ask('p', ['A']);
  bulk.keep('p');
  clock.now += STEADY_MS;
  assert.equal(await bulk.confirm('p', 'CANCELLED'), null);
  bulk.ask('p', []);
  assert.equal(bulk.step('p'), null);
});
