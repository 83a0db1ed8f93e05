import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoff, farewell } from '../../static/js/feed/backoff.js';
import { describe, isStale } from '../../static/js/feed/describe.js';
import { card, cursor, dice, summary, T0 } from './fixtures.mjs';
import { FeedWorld } from './feed-world.mjs';

const B = cursor(T0 + 1000, 'B');
const C = cursor(T0 + 2000, 'C');

test('the stream starts where the page ends', () => {
  const world = new FeedWorld().start();
  assert.equal(world.stream?.since, cursor(T0, 'A'));
  world.connected();
  assert.equal(world.status.phase, 'open');
  assert.deepEqual(world.requests, [], 'nothing is fetched that the page already has');
});

test('an event is told at once, its details are fetched, one request at a time', () => {
  const world = new FeedWorld().start().connected();
  world.say('new_order', summary('B'), B);
  assert.equal(world.heard('summary').length, 1);
  world.say('new_order', summary('C'), C).say('order_update', summary('C'), cursor(T0 + 3000, 'C'));
  assert.equal(world.requests.length, 1, 'one in flight');
  assert.equal(world.requests[0].since, cursor(T0, 'A'));
  world.answer(200, { orders: [card('B')], cursor: B });
  assert.equal(world.requests.length, 1, 'the rest in the next one');
  assert.equal(world.requests[0].since, B);
  world.answer(200, { orders: [card('C')], cursor: cursor(T0 + 3000, 'C') });
  assert.deepEqual(world.requests, []);
});

test('a hole in the stream is found by the next id, even a heartbeat\'s', () => {
  const world = new FeedWorld().start().connected();
  world.say('heartbeat', { serverTime: T0 }, B);
  assert.equal(world.requests[0].since, cursor(T0, 'A'));
});

test('an instance that lags behind is asked again, not in a circle', () => {
  const world = new FeedWorld().start().connected();
  world.say('new_order', summary('B'), B);
  world.answer(200, { orders: [], cursor: cursor(T0, 'A') });
  assert.deepEqual(world.requests, []);
  world.pass(500);
  assert.equal(world.requests.length, 1);
});

test('a lost stream comes back from the last id, later and later', () => {
  const world = new FeedWorld().start().connected();
  world.say('new_order', summary('B'), B).answer(200, { orders: [card('B')], cursor: B });
  world.pass(60_000 - 1).drop();
  assert.equal(world.status.phase, 'waiting');
  const waits = [];
  for (let n = 0; n < 8; n++) {
    const before = world.now;
    while (!world.stream) world.pass(100);
    waits.push(world.now - before);
    assert.equal(world.stream.since, B);
    world.drop();
    while (world.requests.length > 0) world.answer(0);
  }
  assert.deepEqual(waits, [2000, 4000, 8000, 16000, 30000, 30000, 30000, 30000]);
});

test('a stream that is refused is probed by a request, which tells why', () => {
  const world = new FeedWorld().start().drop();
  assert.equal(world.requests.length, 1);
  world.answer(401);
  assert.equal(world.status.phase, 'ended');
  assert.equal(world.timers.size, 0, 'nothing keeps knocking');
  world.send({ type: 'wake', reason: 'visible' });
  assert.equal(world.stream, null);
  world.send({ type: 'wake', reason: 'signin' });
  assert.ok(world.stream, 'until somebody has signed in again');
});

test('after three failures it polls every five seconds, and returns to the stream', () => {
  const world = new FeedWorld().start();
  for (let n = 0; n < 3; n++) {
    while (!world.stream) world.pass(100);
    world.drop();
    while (world.requests.length > 0) world.answerNothing();
  }
  assert.equal(world.status.polling, true);
  assert.equal(describe(world.status, world.now).condition, 'polling');
  world.pass(5000);
  assert.equal(world.requests.length, 1);
  world.answer(200, { orders: [card('B')], cursor: B });
  assert.equal(world.heard('cards').length, 1);
  while (!world.stream) world.pass(1000);
  while (world.requests.length > 0) world.answerNothing();
  assert.equal(world.stream.since, B, 'the stream goes on where the poll stopped');
  world.connected().answerNothing();
  assert.equal(world.status.polling, false);
  world.pass(20_000);
  assert.deepEqual(world.requests, [], 'polling has stopped');
});

test('a server that is back is noticed by the poll and not kept waiting for', () => {
  const world = new FeedWorld().start();
  for (let n = 0; n < 6; n++) {
    while (!world.stream) world.pass(100);
    world.drop();
    while (world.requests.length > 0) world.answer(0);
  }
  assert.equal(describe(world.status, world.now).condition, 'offline');
  world.pass(5000).answerNothing();
  assert.ok(world.stream, 'at once, not after the rest of half a minute');
});

test('bye is obeyed: its wait, no failure counted', () => {
  const world = new FeedWorld().start().connected();
  world.say('bye', { reason: 'shutdown', retry: 5300 });
  assert.equal(world.stream, null);
  assert.equal(world.status.failures, 0);
  world.pass(5299);
  assert.equal(world.stream, null);
  world.pass(1);
  assert.ok(world.stream);
});

test('bye without a wait is spread over one to eight seconds', () => {
  assert.equal(farewell(() => 0), 1000);
  assert.equal(farewell(() => 0.9999999), 8000);
  const random = dice(7);
  for (let n = 0; n < 500; n++) assert.ok(farewell(random) >= 1000 && farewell(random) <= 8000);
});

test('the back-off is spread over its upper half and capped', () => {
  assert.equal(backoff(1, 2000, () => 0), 1000);
  assert.equal(backoff(1, 2000, () => 1), 2000);
  assert.equal(backoff(99, 2000, () => 1), 30_000);
});

test('two missed heartbeats end a dead connection; any word keeps it', () => {
  const world = new FeedWorld().start().connected();
  world.pass(60_000).say('heartbeat', { serverTime: world.now });
  world.pass(60_000);
  assert.equal(world.connects, 1);
  world.pass(6000);
  assert.equal(world.connects, 2);
});

test('a stream that never opens is given up', () => {
  const world = new FeedWorld().start();
  world.pass(15_000);
  assert.equal(world.status.failures, 1);
  assert.equal(world.requests.length, 1);
});

test('reset fetches the whole window and goes on from there', () => {
  const world = new FeedWorld().start().connected();
  world.say('reset', { reason: 'old' }, C);
  assert.equal(world.requests[0].since, null);
  world.answer(200, { orders: [card('C')], cursor: C });
  const [cards] = /** @type {any[]} */ (world.heard('cards'));
  assert.equal(cards.whole, true);
  assert.equal(world.feed.known, C);
});

test('reset that arrives while a request is out does not make its answer the whole truth', () => {
  const world = new FeedWorld().start().connected();
  world.say('new_order', summary('B'), B).say('reset', { reason: 'lag' }, C);
  world.answer(200, { orders: [card('B')], cursor: B });
  assert.equal(/** @type {any} */ (world.heard('cards')[0]).whole, false);
  assert.equal(world.requests[0].since, null, 'the window is asked for next');
});

test('an answer that says reset replaces everything', () => {
  const world = new FeedWorld().start().connected();
  world.say('new_order', summary('B'), B).answer(200, { orders: [card('B')], cursor: B, reset: true });
  assert.equal(/** @type {any} */ (world.heard('cards')[0]).whole, true);
});

test('a cursor the server refuses leads to a fresh start', () => {
  const world = new FeedWorld({ cursor: 'nonsense' }).start().drop();
  world.answer(400);
  assert.equal(world.requests[0].since, null);
  world.answer(200, { orders: [], cursor: B });
  assert.equal(world.feed.seen, B);
});

test('words of an older connection are not heard', () => {
  const world = new FeedWorld().start().connected();
  const old = world.stream;
  world.drop().pass(2000);
  world.send({ type: 'message', epoch: old?.epoch ?? 0, event: 'new_order', id: B, data: JSON.stringify(summary('B')) });
  world.send({ type: 'error', epoch: old?.epoch ?? 0 });
  assert.equal(world.heard('summary').length, 0);
  assert.ok(world.stream);
});

test('an answer to an abandoned request is not heard', () => {
  const world = new FeedWorld().start().connected();
  world.say('new_order', summary('B'), B);
  world.send({ type: 'stop' });
  world.answer(200, { orders: [card('B')], cursor: B });
  assert.equal(world.heard('cards').length, 0);
});

test('data that is not JSON is skipped, but its id is followed up', () => {
  const world = new FeedWorld().start().connected();
  world.send({ type: 'message', epoch: world.stream?.epoch ?? 0, event: 'new_order', id: B, data: '{"id":' });
  assert.equal(world.heard('summary').length, 0);
  assert.equal(world.requests.length, 1);
});

test('the network\'s return is acted on at once, the network\'s loss too', () => {
  const world = new FeedWorld().start().connected();
  world.send({ type: 'offline' });
  assert.equal(describe(world.status, world.now).condition, 'offline');
  world.send({ type: 'wake', reason: 'online' });
  assert.ok(world.stream);
  world.connected();
  assert.equal(describe(world.status, world.now).condition, 'live');
});

test('a tab that slept through heartbeats begins afresh when it is looked at', () => {
  const world = new FeedWorld().start().connected();
  world.send({ type: 'wake', reason: 'visible' });
  assert.equal(world.connects, 1, 'a live one is left alone');
  world.now += 300_000;
  world.send({ type: 'wake', reason: 'visible' });
  assert.equal(world.connects, 2);
});

test('Retry-After of a server under strain is honoured', () => {
  const world = new FeedWorld().start().connected();
  world.say('new_order', summary('B'), B).answer(503, undefined, 12_000);
  world.pass(11_000);
  assert.deepEqual(world.requests, []);
  world.pass(1000);
  assert.equal(world.requests.length, 1);
});

test('the server\'s clock and the source\'s state are kept', () => {
  const world = new FeedWorld().start().connected();
  assert.equal(world.status.skew, 700);
  world.say('heartbeat', { serverTime: T0 - 90_000 });
  assert.equal(world.status.skew, -90_000);
  world.say('source', { state: 'away', since: T0, message: 'x' });
  assert.equal(describe(world.status, world.now).condition, 'away');
  assert.ok(isStale('away') && !isStale('polling'));
  world.say('source', { state: 'live', since: T0, message: '' });
  assert.deepEqual(describe(world.status, world.now + 12_000), { condition: 'live', ageMs: 12_000 });
});

test('through any weather every order is delivered, and the request line never widens', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = dice(seed * 7919);
    const world = new FeedWorld({ random, cursor: '0-' });
    /** @type {{id: string, at: string}[]} what the server has, in order */
    const log = [];
    const delivered = new Set();
    const collect = () => {
      for (const effect of /** @type {any[]} */ (world.heard('cards'))) for (const row of effect.rows) delivered.add(row.id);
      world.told.length = 0;
    };
    const respond = () => {
      const request = world.requests[0];
      if (!request) return;
      if (random() < 0.3) return world.answer(random() < 0.5 ? 0 : 503);
      const since = request.since;
      const rows = log.filter(({ at }) => since === null || Number(at.split('-')[0]) > Number(since.split('-')[0]));
      const head = log.at(-1)?.at ?? '0-';
      world.answer(200, { orders: rows.map(({ id }) => card(id)), cursor: head });
    };
    world.start();
    for (let step = 0; step < 120; step++) {
      const roll = random();
      if (roll < 0.25) {
        const id = `O${log.length}`;
        log.push({ id, at: cursor(T0 + log.length, id) });
        const said = log[log.length - 1];
        // Some events are lost on the way, as after a cut.
        if (world.status.phase === 'open' && random() < 0.7) world.say('new_order', summary(id), said.at);
      } else if (roll < 0.35 && world.stream) world.drop();
      else if (roll < 0.45 && world.stream && world.status.phase === 'connecting') world.connected();
      else if (roll < 0.5 && world.status.phase === 'open') world.say('reset', {}, log.at(-1)?.at ?? '');
      else if (roll < 0.55) world.send({ type: 'wake', reason: 'online' });
      else if (roll < 0.6) world.send({ type: 'offline' });
      else if (roll < 0.8) respond();
      else world.pass(random() * 8000);
      assert.ok(world.requests.length <= 1, `seed ${seed}: one request at a time`);
      collect();
    }
    // Fair weather returns: a heartbeat tells where the head is.
    for (let n = 0; n < 60 && (delivered.size < log.length || world.status.phase !== 'open'); n++) {
      if (world.stream && world.status.phase === 'connecting') world.connected();
      if (world.status.phase === 'open') world.say('heartbeat', { serverTime: world.now }, log.at(-1)?.at ?? '');
      const request = world.requests[0];
      if (request) {
        const rows = log.filter(({ at }) => request.since === null || Number(at.split('-')[0]) > Number(request.since.split('-')[0]));
        world.answer(200, { orders: rows.map(({ id }) => card(id)), cursor: log.at(-1)?.at ?? '0-' });
      }
      world.pass(5000);
      collect();
    }
    assert.equal(delivered.size, log.length, `seed ${seed}: nothing is lost`);
  }
});

test('how many open orders the server has, and has to leave out, is told when it says so', () => {
  const world = new FeedWorld().start().connected();
  assert.equal(world.status.open, null);
  world.say('new_order', summary('B'), B).answer(200, { orders: [card('B')], cursor: B, openTotal: 2613, openHidden: 113 });
  assert.deepEqual(world.status.open, { total: 2613, hidden: 113 });
  world.say('new_order', summary('C'), C).answer(200, { orders: [card('C')], cursor: C });
  assert.deepEqual(world.status.open, { total: 2613, hidden: 113 }, 'an answer that says nothing changes nothing');
});
