import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Places, STEADY_MS } from '../../static/js/order/places.js';

/** @param {number} top @param {object} [change] @returns {import('../../static/js/order/places.js').Place} */
function at(top, change) {
  return { left: 10, top, bottom: top + 200, doing: 'PENDING,ack', status: 'PENDING', ...change };
}

test('a card that takes the place of another is no aim for a while', () => {
  const places = new Places();
  places.note([['A', at(0)], ['B', at(210)]], 0);
  assert.equal(places.isAimedAt('A', STEADY_MS), true);
  places.note([['B', at(0)]], 1000);
  assert.equal(places.isAimedAt('B', 1220), false);
  places.note([['B', at(0)]], 1300);
  assert.equal(places.isAimedAt('B', 1000 + STEADY_MS), true, 'looking again does not count as moving');
  assert.equal(places.isAimedAt('A', 2000), false, 'gone');
});

test('a finger that came down before the card did meant another one, however late it is lifted', () => {
  const places = new Places();
  places.note([['B', at(0)]], 1000);
  assert.equal(places.isAimedAt('B', 950), false);
});

test('what a card pushes down, what grows, and what changes its buttons has moved; a pixel has not', () => {
  for (const [moved, change] of /** @type {[boolean, any][]} */ ([
    [true, at(50)], [true, at(0, { left: 400 })], [true, at(0, { bottom: 260 })], [true, at(0, { doing: 'PENDING' })],
    [true, at(0, { status: 'CONFIRMED' })], [false, at(3)], [false, at(0, { bottom: 204 })],
  ])) {
    const places = new Places();
    places.note([['A', at(0)]], 0);
    places.note([['A', change]], 1000);
    assert.equal(places.isAimedAt('A', 1100), !moved, JSON.stringify(change));
  }
});

test('slow drift counts once it is no longer near', () => {
  const places = new Places();
  for (let top = 0; top <= 20; top += 4) places.note([['A', at(top)]], top * 100);
  assert.equal(places.isAimedAt('A', 1300), false);
});

test('a key means the card that has the focus, unless that was passed on or the order has changed just now', () => {
  const places = new Places();
  places.note([['A', at(0)]], 1000);
  assert.equal(places.isMeant('A', 1010), true, 'a place says nothing about keys');
  places.note([['A', at(90, { doing: 'PENDING' })]], 1100);
  assert.equal(places.isMeant('A', 1110), true, 'it was acknowledged');
  places.note([['A', at(90, { status: 'CONFIRMED' })]], 1200);
  assert.equal(places.isMeant('A', 1210), false);
  assert.equal(places.isMeant('A', 1200 + STEADY_MS), true);
  places.acted('A', false, 2000);
  assert.deepEqual([places.isMeant('A', 2010), places.isAimedAt('A', 2010)], [true, false], 'acknowledged, and not drawn yet');
  places.acted('A', true, 2000);
  assert.equal(places.isMeant('A', 2010), false);
  places.passedOn = 3000;
  assert.equal(places.isMeant('A', 3220), false);
  assert.equal(places.isMeant('A', 3000 + STEADY_MS), true);
});
