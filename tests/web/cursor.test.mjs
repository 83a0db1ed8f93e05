import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareCursors, laterCursor } from '../../static/js/order/cursor.js';

test('cursors are ordered by commit time first', () => {
  assert.ok(compareCursors('1771842312123456-ORD9', '1771842312123457-ORD1') < 0);
  assert.ok(compareCursors('999-Z', '1000-A') < 0, 'as numbers, not as text');
  assert.ok(compareCursors('01000-A', '1000-A') === 0);
});

test('then by the id, decoded, in the order of its UTF-8 bytes', () => {
  assert.ok(compareCursors('5-ORD10', '5-ORD9') < 0);
  assert.ok(compareCursors('5-a%2Fb', '5-a0') < 0, '%2F is a slash, before 0');
  assert.ok(compareCursors('5-%EF%BF%BD', '5-%F0%9F%8D%85') < 0, 'U+FFFD stands before U+1F345, unlike in UTF-16');
  assert.equal(compareCursors('5-a%20b', '5-a%20b'), 0);
});

test('a cursor that cannot be decoded is still ordered', () => {
  assert.ok(compareCursors('5-%ZZ', '6-a') < 0);
  assert.ok(compareCursors('', '0-') < 0);
  assert.equal(laterCursor('', '1-a'), '1-a');
});
