import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Desk } from '../../static/js/desk.js';
import { placeOnBoard } from '../../static/js/order/marks.js';
import { card, cursor, summary, T0 } from './fixtures.mjs';

/** @param {{orders?: any[], now?: number, seen?: string, marks?: any, more?: boolean}} [options] */
function deskWith({ orders = [], now = T0, seen, marks, more } = {}) {
  const clock = { now };
  const state = {
    cursor: cursor(T0, 'A'), serverTime: now, heartbeatSeconds: 30, window: 500, shop: { name: 'S', currency: 'USD' },
    admin: { name: 'Ana', email: 'a@b.c' }, source: { state: 'live', since: 0, message: '' }, version: '1', store: 'embedded', usage: null, orders, more,
  };
  return { clock, desk: new Desk(state, { clock: () => clock.now, seen, marks }) };
}

/** @param {string} id @param {number} at @param {object} [change] @returns {any} */
function event(id, at, change) {
  return { type: 'summary', event: 'new_order', id: cursor(at, id), summary: summary(id, { timestamp: at, ...change }) };
}

/** @param {any[]} rows @param {string} from @param {string} to @returns {any} */
function batch(rows, from, to, whole = false) {
  return { type: 'cards', from: whole ? null : from, to, rows, whole };
}

test('an order is announced once, whichever roads it comes by', () => {
  const { desk, clock } = deskWith();
  const at = T0 + 1000;
  clock.now = at + 50;
  assert.deepEqual(desk.hear(event('B', at)).arrived.map(({ id }) => id), ['B']);
  assert.deepEqual(desk.hear(event('B', at)).arrived, [], 'the stream again, after a reconnect');
  const details = card('B', { timestamp: at });
  assert.deepEqual(desk.hear(batch([details], cursor(T0, 'A'), details.position)).arrived, [], 'its details');
  assert.deepEqual(desk.hear(batch([details], '', details.position, true)).arrived, [], 'a reset');
  clock.now = at + 60_000;
  const gone = desk.hear(batch([{ id: 'B', removed: true }], details.position, cursor(at + 5000, 'B')));
  assert.deepEqual(gone.missed, []);
});

test('orders that were placed while nobody listened are missed ones', () => {
  const { desk, clock } = deskWith();
  clock.now = T0 + 300_000;
  const rows = [card('B', { timestamp: T0 + 1000 }), card('C', { timestamp: T0 + 2000, acknowledged: true }), card('D', { timestamp: T0 + 299_000 })];
  const heard = desk.hear(batch(rows, cursor(T0, 'A'), rows[2].position));
  assert.deepEqual(heard.missed.map(({ id }) => id), ['B'], 'one that somebody noticed meanwhile is no news');
  assert.deepEqual(heard.arrived.map(({ id }) => id), ['D']);
});

test('after a reload only what came since the last visit is news', () => {
  const orders = [card('B', { timestamp: T0 - 5000 }), card('C', { timestamp: T0 - 1000 }), card('D', { timestamp: T0 - 500, acknowledged: true })];
  const { desk } = deskWith({ orders, seen: cursor(T0 - 3000, 'x') });
  assert.deepEqual(desk.missedAtStart.map(({ id }) => id), ['C']);
  assert.deepEqual(deskWith({ orders }).desk.missedAtStart, [], 'a first visit has missed nothing');
});

test('old unnoticed orders of a store from before are no news', () => {
  const { desk, clock } = deskWith();
  clock.now = T0 + 1000;
  const old = card('B', { timestamp: T0 - 3 * 86_400_000 });
  const heard = desk.hear(batch([old], '', cursor(T0, 'B'), true));
  assert.deepEqual([heard.arrived, heard.missed], [[], []]);
});

test('a batch that starts beyond this tab is a gap; the tab catches up by itself', () => {
  const { desk } = deskWith();
  const far = card('D', { updatedAt: T0 + 9000 });
  assert.equal(desk.hear(batch([far], cursor(T0 + 5000, 'C'), far.position)).gap, true);
  assert.equal(desk.book.get('D'), null);
  const answer = { orders: [card('C', { updatedAt: T0 + 5000 }), far], cursor: far.position };
  desk.caughtUp(answer);
  assert.equal(desk.book.size, 2);
  assert.equal(desk.follower.cursor, far.position);
  assert.equal(desk.hear(batch([], far.position, cursor(T0 + 9500, 'E'))).gap, false);
});

test('a page that is open for weeks remembers the orders that it holds, and few others', () => {
  const { desk, clock } = deskWith();
  const limit = desk.book.limit;
  for (let n = 1; n <= 3 * limit; n += 1) {
    const at = T0 + n * 1000;
    clock.now = at + 50;
    desk.hear(event(`N${n}`, at, { status: 'DELIVERED' }));
  }
  assert.ok(desk.announced.size <= 2 * limit + 1, String(desk.announced.size));
  const last = `N${3 * limit}`;
  assert.ok(desk.announced.has(last) && desk.book.get(last));
});

test('a cancelled order keeps its place, marked, until it was seen', () => {
  const { desk } = deskWith({ orders: [card('B', { status: 'PREPARING_ORDER' })] });
  const cancelled = card('B', { status: 'CANCELLED', updatedAt: T0 + 1000 });
  const heard = desk.hear(batch([cancelled], cursor(T0, 'A'), cancelled.position));
  assert.equal(heard.marked[0].mark.kind, 'cancelled');
  assert.equal(desk.list()[0].lane, 'preparing');
  const reloaded = deskWith({ orders: [cancelled], marks: JSON.parse(JSON.stringify(desk.marks)) }).desk;
  assert.equal(reloaded.list()[0].lane, 'preparing', 'a reload is no seeing');
  reloaded.marks.seen('B');
  assert.equal(reloaded.list()[0].lane, 'done');
});

test('a changed order is marked; one that moves along is not', () => {
  const { desk } = deskWith({ orders: [card('B')] });
  const moved = card('B', { status: 'CONFIRMED', updatedAt: T0 + 1000 });
  assert.deepEqual(desk.hear(batch([moved], cursor(T0, 'A'), moved.position)).marked, []);
  const changed = card('B', { status: 'CONFIRMED', notes: 'more onions', updatedAt: T0 + 2000 });
  assert.equal(desk.hear(batch([changed], moved.position, changed.position)).marked[0].mark.kind, 'changed');
  assert.equal(placeOnBoard(changed, desk.marks.get('B')), 'preparing');
});

test('what this desk does itself is not marked', () => {
  const { desk } = deskWith({ orders: [card('B')] });
  const ticket = desk.edits.begin('B', { status: 'CANCELLED' });
  desk.hear({ type: 'summary', event: 'order_update', id: cursor(T0 + 1000, 'B'), summary: summary('B', { status: 'CANCELLED' }) });
  desk.edits.settle('B', ticket);
  desk.confirm(card('B', { status: 'CANCELLED', updatedAt: T0 + 1000 }));
  assert.equal(desk.marks.get('B'), null);
});

test('marks of another version, or of orders gone, are dropped', () => {
  const marks = { B: { kind: 'cancelled', lane: 'new', at: 1 }, C: { kind: 'odd' }, D: null };
  const { desk } = deskWith({ orders: [card('C')], marks });
  assert.deepEqual(JSON.parse(JSON.stringify(desk.marks)), {});
});

test('server time is used, whatever the device thinks', () => {
  const { desk, clock } = deskWith();
  desk.status = { ...desk.status, skew: -3_600_000 };
  assert.equal(desk.now(), clock.now - 3_600_000);
});

test('what the page left out is no news: no toast, no print, also when it is heard of before it is fetched', () => {
  const { desk, clock } = deskWith({ orders: [card('A')], more: true });
  assert.equal(desk.complete, false);
  clock.now = T0 + 2000;
  const early = card('W', { timestamp: T0 - 60_000, updatedAt: T0 + 1000, notes: 'changed' });
  const heard = desk.hear(batch([early], cursor(T0, 'A'), early.position));
  assert.deepEqual([heard.arrived, heard.missed], [[], []]);
  const rest = [card('B', { timestamp: T0 - 1000 }), card('C', { timestamp: T0 - 7_200_000, status: 'COMPLETED' }), early];
  const filled = desk.fill({ orders: rest, cursor: cursor(T0 + 1500, 'x') });
  assert.deepEqual([filled.arrived, filled.missed, filled.marked], [[], [], []]);
  assert.equal(desk.complete, true);
  assert.deepEqual(desk.cards().map(({ id }) => id), ['A', 'B', 'W', 'C']);
  assert.equal(desk.follower.cursor, early.position, 'the stream goes on from where it was');
});

test('an order placed while the rest is fetched is news, whichever answer brings it', () => {
  const { desk, clock } = deskWith({ more: true });
  clock.now = T0 + 3000;
  const fresh = card('N', { timestamp: T0 + 2500 });
  assert.deepEqual(desk.fill({ orders: [fresh, card('B', { timestamp: T0 - 1000 })], cursor: fresh.position }).arrived.map(({ id }) => id), ['N']);
  assert.deepEqual(desk.hear(batch([fresh], cursor(T0, 'A'), fresh.position)).arrived, [], 'once');
});

test('the rest never takes back what the stream has told meanwhile', () => {
  const { desk } = deskWith({ orders: [card('A')], more: true });
  const gone = batch([{ id: 'B', removed: true }, card('A', { status: 'CONFIRMED', updatedAt: T0 + 4000 })], cursor(T0, 'A'), cursor(T0 + 5000, 'B'));
  desk.hear(gone);
  desk.fill({ orders: [card('A'), card('B', { timestamp: T0 - 1000 })], cursor: cursor(T0 + 3000, 'x') });
  assert.equal(desk.book.get('B'), null);
  assert.equal(desk.book.get('A')?.status, 'CONFIRMED');
});

test('marks of orders that are still to come are kept; those of others go when all are here', () => {
  const marks = { C: { kind: 'cancelled', lane: 'new', at: 1 }, X: { kind: 'changed', lane: 'new', at: 1 } };
  const { desk } = deskWith({ marks, more: true });
  assert.equal(desk.marks.get('C')?.kind, 'cancelled');
  desk.fill({ orders: [card('C', { status: 'CANCELLED', timestamp: T0 - 1000 })], cursor: cursor(T0, 'A') });
  assert.equal(desk.list()[0].lane, 'new');
  assert.equal(desk.marks.get('X'), null);
});

test('a reset brings the whole window as well', () => {
  const { desk } = deskWith({ more: true });
  desk.hear(batch([card('B', { timestamp: T0 - 1000 })], '', cursor(T0 + 1, 'B'), true));
  assert.equal(desk.complete, true);
});
