import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Alarm, REPEAT_MS, SNOOZE_MS, URGENT_REPEAT_MS, waitingOrders } from '../../static/js/alarm/plan.js';
import { score, TONES } from '../../static/js/alarm/tones.js';
import { badgedIcon } from '../../static/js/alarm/attention.js';
import { card, T0 } from './fixtures.mjs';

/** An alarm with its own clock, rung whenever it says so. */
function runner() {
  const alarm = new Alarm();
  let lastRung = -Infinity;
  /** @type {number[]} */
  const rung = [];
  const tick = (/** @type {number} */ now, /** @type {any[]} */ waiting) => {
    const verdict = alarm.judge({ now, serverNow: now, waiting, lastRung });
    if (verdict.ring) {
      lastRung = now;
      rung.push(now - T0);
      alarm.rang();
    }
    return verdict;
  };
  return { alarm, rung, tick };
}

test('it rings at once, then again and again, until acknowledged', () => {
  const { rung, tick } = runner();
  const order = card('B');
  for (let at = 0; at < 40_000; at += 500) tick(T0 + at, [order]);
  assert.deepEqual(rung, [0, REPEAT_MS, 2 * REPEAT_MS, 3 * REPEAT_MS]);
  for (let at = 40_000; at < 80_000; at += 500) tick(T0 + at, []);
  assert.equal(rung.length, 4);
});

test('after two minutes it becomes urgent and more frequent', () => {
  const { rung, tick } = runner();
  const order = card('B');
  let verdict;
  for (let at = 0; at < 140_000; at += 500) verdict = tick(T0 + at, [order]);
  assert.equal(verdict?.urgent, true);
  const late = rung.filter((at) => at > 121_000);
  assert.equal(late[1] - late[0], URGENT_REPEAT_MS);
});

test('a new order rings at once between two rings, several in one breath ring once', () => {
  const { rung, tick } = runner();
  tick(T0, [card('B')]);
  tick(T0 + 4000, [card('B'), card('C')]);
  tick(T0 + 4500, [card('B'), card('C'), card('D')]);
  for (let at = 5000; at < 6500; at += 500) tick(T0 + at, [card('B'), card('C'), card('D')]);
  assert.deepEqual(rung, [0, 4000, 5500]);
});

test('a minute of quiet is kept, but not from the next order', () => {
  const { alarm, rung, tick } = runner();
  tick(T0, [card('B')]);
  alarm.snooze(T0 + 1000);
  for (let at = 1000; at < SNOOZE_MS; at += 500) assert.equal(tick(T0 + at, [card('B')]).snoozed, true);
  assert.deepEqual(rung, [0]);
  tick(T0 + SNOOZE_MS, [card('B'), card('C')]);
  assert.deepEqual(rung, [0, SNOOZE_MS]);
});

test('a tab that opens beside a ringing one does not ring again', () => {
  const alarm = new Alarm();
  const verdict = alarm.judge({ now: T0 + 3000, serverNow: T0 + 3000, waiting: [card('B')], lastRung: T0 + 1000 });
  assert.equal(verdict.ring, false);
});

test('who waits: new, unnoticed, of the last day, unknown states too', () => {
  const orders = [
    card('B'), card('C', { acknowledged: true }), card('D', { status: 'CONFIRMED' }), card('E', { status: 'ON_HOLD' }),
    card('F', { timestamp: T0 - 25 * 3_600_000 }), card('G', { status: 'CANCELLED' }),
  ];
  assert.deepEqual(waitingOrders(orders, T0).map(({ id }) => id), ['B', 'E']);
});

test('every tone has an urgent form: longer and higher; an unknown one is a bell', () => {
  for (const name of Object.keys(TONES)) {
    const calm = score(name, false);
    const urgent = score(name, true);
    assert.equal(urgent.notes.length, 2 * calm.notes.length);
    assert.ok(urgent.notes[0][1] > calm.notes[0][1]);
  }
  assert.equal(score('constructor', false), TONES.bell);
});

test('the icon carries the count', () => {
  assert.match(decodeURIComponent(badgedIcon(7)), />7</);
  assert.match(decodeURIComponent(badgedIcon(250)), />99</);
});
