import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cardFromSummary, mapLink, placeOf, plain, telephone } from '../../static/js/order/card.js';
import { laneOf, nextStatus, offered, previousStatus } from '../../static/js/order/status.js';
import { card, cursor, summary, T0 } from './fixtures.mjs';

test('text loses controls, direction marks and excess length, and nothing else', () => {
  assert.equal(plain('a\u202eb\u0000c\u2066d\ufeff'), 'abcd');
  assert.equal(plain('بطاطا </script> <b>'), 'بطاطا </script> <b>');
  assert.equal(plain('x'.repeat(100_000), 10), `${'x'.repeat(10)}…`);
  assert.equal(plain('ab🍅', 3), 'ab…', 'no half of a pair is left');
  assert.equal(plain(null), '');
  assert.equal(plain(17), '17');
});

test('a phone number becomes an address only when it is one', () => {
  assert.equal(telephone('+213 (555) 12-34'), 'tel:+2135551234');
  assert.equal(telephone('٠٥٥٥'), 'tel:0555');
  assert.equal(telephone('1+2+3'), 'tel:123');
  assert.equal(telephone('javascript:alert(1)'), '');
  assert.equal(telephone('ask Ana'), '');
});

test('places link to a map whatever they hold', () => {
  const place = card('A', { address: '12 Main St & "co"' });
  assert.equal(new URL(mapLink(place)).searchParams.get('query'), '12 Main St & "co"');
  const point = card('B', { location: { latitude: 36.75381, longitude: 3.05881 } });
  assert.equal(placeOf(point), '36.75381, 3.05881');
  assert.equal(mapLink(card('C')), '');
});

test('a card from a summary takes its commit time from the position', () => {
  const made = cardFromSummary(summary('A', { timestamp: T0 + 3_600_000 }), cursor(T0, 'A'), T0);
  assert.equal(made.createdAt, T0);
  assert.equal(made.timestamp, T0, 'a phone whose clock runs ahead does not place orders in the future');
  assert.equal(made.partial, true);
});

test('every step forward leads to the end, and every step has a way back', () => {
  for (const address of ['', '12 Main St']) {
    let order = card('A', { address });
    const seen = [];
    for (let next = nextStatus(order); next; next = nextStatus(order)) {
      assert.ok(offered.includes(next), next);
      assert.ok(seen.length < 10, 'no circle');
      const back = previousStatus({ ...order, status: next });
      assert.equal(back, order.status, `back from ${next}`);
      order = { ...order, status: next };
      seen.push(next);
    }
    assert.equal(laneOf(order.status), 'done');
  }
});

test('a status nobody knows is put where somebody looks', () => {
  for (const status of ['ON_HOLD', '', 'constructor', '__proto__']) {
    assert.equal(laneOf(status), 'new');
    assert.equal(nextStatus(card('A', { status })), 'CONFIRMED');
  }
  assert.equal(nextStatus(card('A', { status: 'CANCELLED' })), null);
});
