import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Book } from '../../static/js/order/book.js';
import { compareCursors } from '../../static/js/order/cursor.js';
import { card, cursor, dice, summary, T0 } from './fixtures.mjs';

test('an older state never replaces a newer one', () => {
  const book = new Book([card('A', { status: 'CONFIRMED', updatedAt: T0 + 2000 })]);
  assert.deepEqual(book.applySummary('order_update', cursor(T0 + 1000, 'A'), summary('A'), T0), []);
  assert.deepEqual(book.applyCards([card('A', { updatedAt: T0 + 1000 })], cursor(T0 + 1000, 'A')), []);
  assert.equal(book.get('A')?.status, 'CONFIRMED');
});

test('details fill in what a summary left open, once', () => {
  const book = new Book([]);
  const at = cursor(T0, 'A');
  const [first] = book.applySummary('new_order', at, summary('A'), T0);
  assert.equal(first.before, null);
  assert.equal(first.after?.partial, true);
  const whole = card('A', { position: at, notes: 'no onions' });
  const [second] = book.applyCards([whole], at);
  assert.equal(second.after?.notes, 'no onions');
  assert.equal(second.rewritten, false, 'details are not a change by the customer');
  assert.deepEqual(book.applyCards([whole], at), [], 'the same answer again changes nothing');
});

test('a summary keeps the details known before, until new ones come', () => {
  const book = new Book([card('A', { notes: 'no onions', acknowledged: true })]);
  const at = cursor(T0 + 1000, 'A');
  book.applySummary('order_update', at, summary('A', { status: 'CONFIRMED' }), T0);
  assert.equal(book.get('A')?.notes, 'no onions');
  assert.equal(book.get('A')?.acknowledged, true);
  assert.equal(book.get('A')?.status, 'CONFIRMED');
});

test('a customer who rewrites an order is noticed across summary and details', () => {
  const book = new Book([card('A')]);
  const at = cursor(T0 + 1000, 'A');
  book.applySummary('order_update', at, summary('A', { totalAmount: 9 }), T0);
  const [change] = book.applyCards([card('A', { position: at, total: 9 })], at);
  assert.equal(change.rewritten, true);
});

test('what was removed does not come back by an older word, only by a newer one', () => {
  const book = new Book([card('A')]);
  assert.equal(book.remove('A', cursor(T0 + 5000, 'A')).length, 1);
  assert.deepEqual(book.applyCards([card('A', { updatedAt: T0 + 4000 })], cursor(T0 + 4000, 'A')), []);
  assert.equal(book.applyCards([card('A', { updatedAt: T0 + 6000 })], cursor(T0 + 6000, 'A')).length, 1);
  assert.deepEqual(book.remove('A', cursor(T0 + 5500, 'A')), [], 'nor is a newer one removed by an older word');
});

test('a whole window replaces everything but what is newer than it', () => {
  const book = new Book([card('A'), card('B'), card('N', { updatedAt: T0 + 9000 })]);
  const changes = book.replace([card('B'), card('C')], cursor(T0 + 5000, 'B'));
  assert.deepEqual(changes.map(({ id, before, after }) => [id, Boolean(before), Boolean(after)]), [['C', false, true], ['A', true, false]]);
  assert.deepEqual(book.list().map(({ id }) => id).sort(), ['B', 'C', 'N']);
});

test('the book is bounded: the oldest finished order beyond the newest ones leaves', () => {
  const book = new Book([], 3);
  book.applyCards([card('old', { timestamp: T0 - 1000 }), card('done', { status: 'COMPLETED', timestamp: T0 + 1 }), card('B', { timestamp: T0 + 2 })], '');
  assert.deepEqual(book.applyCards([card('C', { timestamp: T0 + 3 })], '').map(({ id }) => id), ['C'], 'the finished one is among the newest three');
  assert.deepEqual(book.applyCards([card('D', { timestamp: T0 + 4 })], '').map(({ id }) => id), ['D', 'done']);
  assert.deepEqual(book.list().map(({ id }) => id), ['D', 'C', 'B', 'old']);
});

test('twenty open orders outlive seven hundred newer ones, by the stream and by details', () => {
  const waiting = Array.from({ length: 20 }, (_, n) => card(`W${n}`, { timestamp: T0 + n }));
  for (const status of ['PENDING', 'COMPLETED']) {
    const book = new Book(waiting, 500, 2000);
    for (let n = 0; n < 700; n++) {
      const at = T0 + 1000 + n;
      const position = cursor(at, `F${n}`);
      book.applySummary('new_order', position, summary(`F${n}`, { timestamp: at, status }), at);
      book.applyCards([card(`F${n}`, { timestamp: at, status, position })], position);
    }
    for (const { id } of waiting) assert.ok(book.get(id), `${id}, beyond ${status} ones`);
    assert.equal(book.size, status === 'PENDING' ? 720 : 520);
  }
});

test('open orders beyond the window are bounded, too; those that wait longest stay', () => {
  const book = new Book([], 2, 3);
  for (let n = 0; n < 9; n++) book.applyCards([card(`O${n}`, { timestamp: T0 + n })], '');
  assert.deepEqual(book.list().map(({ id }) => id), ['O8', 'O7', 'O2', 'O1', 'O0']);
});

test('an order that is closed while it is old stays until the next one comes', () => {
  const book = new Book([card('old', { timestamp: T0 - 1000 }), card('A'), card('B', { timestamp: T0 + 1 })], 2);
  book.applyCards([card('old', { timestamp: T0 - 1000, status: 'DELIVERED', updatedAt: T0 + 5000 })], '');
  assert.equal(book.get('old')?.status, 'DELIVERED');
  book.applyCards([card('C', { timestamp: T0 + 2 })], '');
  assert.equal(book.get('old'), null);
});

test('newest first, by the time of placing, then by position', () => {
  const book = new Book([card('A', { timestamp: T0 }), card('B', { timestamp: T0 + 5 }), card('C', { timestamp: T0 })]);
  assert.deepEqual(book.list().map(({ id }) => id), ['B', 'C', 'A']);
});

test('whatever the order of arrival, the outcome is the newest state of each order', () => {
  const statuses = ['PENDING', 'CONFIRMED', 'PREPARING_ORDER', 'COMPLETED', 'CANCELLED'];
  for (let seed = 1; seed <= 200; seed++) {
    const random = dice(seed);
    const words = [];
    /** @type {Map<string, {status: string | null, position: string}>} */
    const truth = new Map();
    for (let step = 0; step < 40; step++) {
      const id = `O${Math.floor(random() * 6)}`;
      const at = T0 + step * 10;
      const status = random() < 0.15 ? null : statuses[Math.floor(random() * statuses.length)];
      truth.set(id, { status, position: cursor(at, id) });
      words.push({ id, at, status });
    }
    const shuffled = [...words, ...words.filter(() => random() < 0.5)].sort(() => random() - 0.5);
    const book = new Book([]);
    for (const { id, at, status } of shuffled) {
      if (status === null) book.remove(id, cursor(at, id));
      else if (random() < 0.5) book.applySummary('order_update', cursor(at, id), summary(id, { status }), at);
      else book.applyCards([card(id, { status, updatedAt: at })], cursor(at, id));
    }
    for (const [id, { status, position }] of truth) {
      assert.equal(book.get(id)?.status ?? null, status, `seed ${seed}, ${id}`);
      if (status !== null) assert.equal(compareCursors(book.get(id)?.position ?? '', position), 0);
    }
  }
});

test('a change of unknown origin bears no name until its details come', () => {
  const book = new Book([card('A', { status: 'CONFIRMED', changedBy: 'Sara' })]);
  const at = cursor(T0 + 1000, 'A');
  const [change] = book.applySummary('order_update', at, summary('A', { status: 'CANCELLED' }), T0);
  assert.equal(change.after?.changedBy, null);
  book.applyCards([card('A', { position: at, status: 'CANCELLED', changedElsewhere: true })], at);
  assert.equal(book.get('A')?.changedElsewhere, true);
});
